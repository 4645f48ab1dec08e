import math
from typing import Literal

import pytest
import torch

from benchmarks.direct import direct_loss, direct_summary, direct_unroll
from td3core.factors import Factors, expected_embeddings, map_tensors
from td3core.inner.batches import Batch, BatchSampler
from td3core.inner.lessons import Lesson
from td3core.inner.optimizers import SGD, Adam
from td3core.inner.unroll import Cohort, InnerLoop, InnerStep
from td3core.learners import Learner
from td3core.schedules import Schedule
from tests.support.inner_loops import DECAY, LR, MU, ZETA, batches, inner_loop


@pytest.mark.parametrize(("supervision", "positions"), [("all", None), ("all", 2), ("paper", None)])
def test_hypergradient_equals_the_direct_formulation(
    every_learner: Learner,
    items: torch.Tensor,
    factors: Factors,
    generator: torch.Generator,
    supervision: Literal["all", "paper"],
    positions: int | None,
) -> None:
    learner = every_learner
    drawn = batches(4, generator, objective=learner.objective, supervision=supervision, positions=positions)
    loop = inner_loop(learner, items)
    start = loop.start(2, generator=generator)
    outer = torch.randn(start.parameters.shape, dtype=torch.float64, generator=generator)

    leaf = start.parameters.clone().requires_grad_()
    unrolled = direct_unroll(learner, factors, items, leaf, drawn, lr=LR, weight_decay=DECAY)
    learned = list(factors.tensors.values())
    expected = torch.autograd.grad((unrolled * outer).sum(), learned)

    inputs = expected_embeddings(factors, items)
    lesson = Lesson(inputs.detach())
    cohort, steps = loop.unroll(start, lesson, drawn)
    pulled = loop.pull_back(steps, lesson, outer)
    found = torch.autograd.grad(inputs, learned, pulled.by_lesson.tensors)

    torch.testing.assert_close(cohort.parameters, unrolled.detach(), rtol=1e-10, atol=1e-12)
    for ours, theirs in zip(found, expected, strict=True):
        assert theirs.abs().max() > 1e-6  # there is something to compare
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10)


def test_a_step_follows_the_gradient_of_the_kl_divergence(
    learner: Learner, items: torch.Tensor, factors: Factors, generator: torch.Generator
) -> None:
    (batch,) = batches(1, generator, learners=1)
    loop = inner_loop(learner, items)
    summary = direct_summary(factors, items).detach()
    start = loop.start(1, generator=generator)
    _, (step,) = loop.unroll(start, Lesson(summary @ items), [batch])
    parameters = start.parameters.clone().requires_grad_()
    divergence = direct_loss(learner, parameters, items, summary, batch)
    (expected,) = torch.autograd.grad(divergence, parameters)
    torch.testing.assert_close(step.gradient, expected)


def test_learners_of_a_cohort_do_not_touch_each_other(
    every_learner: Learner, items: torch.Tensor, factors: Factors, generator: torch.Generator
) -> None:
    learner = every_learner
    loop = inner_loop(learner, items)
    lesson = Lesson(expected_embeddings(factors, items).detach())
    start = loop.start(2, generator=generator)
    (batch,) = batches(1, generator, objective=learner.objective)
    together = loop.step(start, lesson, batch)
    for row in range(2):
        one = slice(row, row + 1)
        alone = loop.start(1, generator=generator)
        alone = alone._replace(parameters=start.parameters[one])
        positions, lengths = (None if part is None else part[one] for part in batch[1:])
        moved = loop.step(alone, lesson, Batch(batch.users[one], positions, lengths))
        torch.testing.assert_close(moved.parameters[0], together.parameters[row])


def test_padding_is_not_learned_from(
    every_learner: Learner, items: torch.Tensor, generator: torch.Generator
) -> None:
    loop = inner_loop(every_learner, items)
    start = loop.start(1, generator=generator)
    lengths = torch.tensor([4, 7, 2, 1, 5])
    sampler = BatchSampler(every_learner.objective, MU, ZETA, batch_users=MU, lengths=lengths)
    (batch,) = sampler.draw(1, learners=1, generator=generator)
    sequences = items[torch.randint(11, (MU, ZETA), generator=generator)]
    other = sequences.clone()
    other[torch.arange(ZETA) >= lengths[:, None]] = 7.0
    once = loop.step(start, Lesson(sequences), batch)
    again = loop.step(start, Lesson(other), batch)
    torch.testing.assert_close(once.parameters, again.parameters)
    padding_too = loop.step(start, Lesson(other), batch._replace(lengths=None))
    assert not torch.allclose(once.parameters, padding_too.parameters)


def test_batches_go_through_all_users_before_one_comes_again(generator: torch.Generator) -> None:
    drawn = torch.cat([batch.users for batch in batches(10, generator)], 1)  # (learners, 30)
    for row in drawn:
        for start in range(0, 30, MU):
            assert sorted(row[start : start + MU].tolist()) == list(range(MU))


def supervised(drawn: list[Batch]) -> torch.Tensor:
    return torch.cat([batch.positions for batch in drawn if batch.positions is not None], 1)


def test_paper_supervision_takes_the_last_and_one_random_position(generator: torch.Generator) -> None:
    positions = supervised(batches(50, generator, supervision="paper"))
    assert set(positions[..., 1].flatten().tolist()) == {ZETA - 1}
    assert set(positions[..., 0].flatten().tolist()) == {5}  # [5, zeta - 1) for zeta = 7


def test_random_positions_are_distinct_and_never_the_first_step(generator: torch.Generator) -> None:
    positions = supervised(batches(50, generator, positions=3))
    assert positions.shape[-1] == 3
    assert set(positions.flatten().tolist()) == set(range(1, ZETA))
    assert all(len(set(row.tolist())) == 3 for row in positions.flatten(0, 1))


def test_learning_rate_has_its_derivative(
    every_learner: Learner, items: torch.Tensor, factors: Factors, generator: torch.Generator
) -> None:
    """Against central differences: the outer loss after four steps, by the logarithm of a factor on all rates."""
    lesson = Lesson(expected_embeddings(factors, items).detach())
    for optimizer in (Adam(weight_decay=DECAY), SGD(momentum=0.5)):
        loop = InnerLoop(
            learner=every_learner, items=items, optimizer=optimizer, schedule=Schedule(LR, "cosine", 6)
        )
        start = loop.start(1, generator=generator)
        drawn = batches(4, generator, objective=every_learner.objective, learners=1)
        outer = torch.randn(start.parameters.shape, dtype=torch.float64, generator=generator)

        def run(
            log_factor: float,
            loop: InnerLoop = loop,
            start: Cohort = start,
            drawn: list[Batch] = drawn,
        ) -> tuple[torch.Tensor, tuple[InnerStep, ...]]:
            loop.lr_factor = math.exp(log_factor)
            cohort, steps = loop.unroll(start, lesson, drawn)
            return cohort.parameters, steps

        ahead, behind = ((run(change)[0] * outer).sum() for change in (1e-5, -1e-5))
        _, steps = run(0.0)
        found = loop.pull_back(steps, lesson, outer).by_log_lr
        torch.testing.assert_close(found, (ahead - behind) / 2e-5, rtol=1e-5, atol=1e-9)


def test_bfloat16_follows_float32(
    every_learner: Learner, items: torch.Tensor, factors: Factors, generator: torch.Generator
) -> None:
    items = items.float()
    lesson = Lesson(expected_embeddings(map_tensors(factors, torch.Tensor.float), items).detach())
    gradients: list[torch.Tensor] = []
    drawn = batches(3, generator, objective=every_learner.objective, learners=1)
    loop = inner_loop(every_learner, items)
    start = loop.start(1, generator=generator)
    for batch in batches(30, generator, objective=every_learner.objective, learners=1):
        start = loop.step(start, lesson, batch)
    outer = torch.randn(start.parameters.shape, generator=generator)
    for precision in ("float32", "bfloat16"):
        loop = inner_loop(every_learner, items, precision=precision)
        cohort, steps = loop.unroll(start, lesson, drawn)
        assert cohort.parameters.dtype == torch.float32
        gradients.append(loop.pull_back(steps, lesson, outer).by_lesson.inputs.flatten())
    exact, rounded = gradients
    assert not torch.equal(exact, rounded)
    assert torch.cosine_similarity(exact, rounded, dim=0) > 0.99
