"""Lessons: the teacher's labels in place of a summary's own targets."""

import pytest
import torch

from benchmarks.direct import direct_summary, direct_unroll
from td3core.catalogue import Catalogue
from td3core.config import InnerTargets, LearnerConfig
from td3core.factors import Factors, expected_embeddings
from td3core.inner.lessons import Labeller, build_lesson_maker
from td3core.learners import Learner, build_learner
from tests.support.inner_loops import DECAY, LR, batches, inner_loop

SHARES: dict[InnerTargets, float] = {"summary": 0.0, "mixed": 0.5, "teacher": 1.0}


@pytest.fixture
def labeller(every_learner: Learner, items: torch.Tensor, generator: torch.Generator) -> Labeller:
    """A teacher that tells items apart."""
    parameters = every_learner.initialise(1, generator=generator, dtype=items.dtype, device=items.device)
    return Labeller(
        every_learner, parameters + 0.3 * torch.randn(parameters.shape, generator=generator), items
    )


def label_distributions(labeller: Labeller, sequences: torch.Tensor) -> torch.Tensor:
    """What it predicts at each step but the first, from one prefix after the other."""
    rows = []
    for step in range(1, sequences.shape[1]):
        prefix = sequences[None, :, : step + 1]
        positions = torch.full((1, len(sequences), 1), step)
        rows.append(labeller.learner(labeller.parameters, prefix, positions)[0, :, 0])
    return (torch.stack(rows, 1) @ labeller.items.T).softmax(-1)


@pytest.mark.parametrize("targets", SHARES)
def test_hypergradient_with_labels_equals_the_direct_formulation(
    labeller: Labeller,
    items: torch.Tensor,
    factors: Factors,
    generator: torch.Generator,
    targets: InnerTargets,
) -> None:
    """Labels follow from the summary, and their part of the derivative is there."""
    learner = labeller.learner
    drawn = batches(3, generator, objective=learner.objective)
    loop = inner_loop(learner, items)
    start = loop.start(2, generator=generator)
    outer = torch.randn(start.parameters.shape, dtype=torch.float64, generator=generator)

    def told(summary: torch.Tensor) -> torch.Tensor:
        labels = label_distributions(labeller, summary @ items)
        return torch.cat((summary[:, :1], torch.lerp(summary[:, 1:], labels, SHARES[targets])), 1)

    leaf = start.parameters.clone().requires_grad_()
    unrolled = direct_unroll(learner, factors, items, leaf, drawn, lr=LR, weight_decay=DECAY, targets=told)
    learned = list(factors.tensors.values())
    expected = torch.autograd.grad((unrolled * outer).sum(), learned)

    maker = build_lesson_maker(targets, labeller)
    lesson = maker.lesson(expected_embeddings(factors, items), Catalogue(items))
    frozen = lesson.map(torch.Tensor.detach)
    cohort, steps = loop.unroll(start, frozen, drawn)
    pulled = loop.pull_back(steps, frozen, outer)
    found = torch.autograd.grad(lesson.tensors, learned, pulled.by_lesson.tensors)

    torch.testing.assert_close(cohort.parameters, unrolled.detach(), rtol=1e-9, atol=1e-11)
    for ours, theirs in zip(found, expected, strict=True):
        assert theirs.abs().max() > 1e-6  # there is something to compare
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9)


def test_labels_are_expected_embeddings_of_what_the_teacher_predicts(
    labeller: Labeller, items: torch.Tensor, factors: Factors
) -> None:
    inputs = (direct_summary(factors, items) @ items).detach()
    lesson = build_lesson_maker("teacher", labeller).lesson(inputs, Catalogue(items))
    assert lesson.targets is not None
    torch.testing.assert_close(lesson.targets[:, 1:], label_distributions(labeller, inputs) @ items)
    assert torch.equal(lesson.inputs, inputs)


def test_without_labels_the_inputs_are_the_targets(items: torch.Tensor) -> None:
    inputs = items[torch.arange(6).view(2, 3)]
    learner = build_learner(LearnerConfig(embedding_size=items.shape[1], inner_size=4, max_length=4))
    parameters = torch.zeros(1, learner.layout.size, dtype=items.dtype)
    lesson = build_lesson_maker("summary", Labeller(learner, parameters, items)).lesson(
        inputs, Catalogue(items)
    )
    assert lesson.targets is None
    assert torch.equal(lesson.inputs, inputs)
