from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from td3core import Summary, load_summary
from td3core.config import DataConfig, InnerConfig, LearnerConfig, LearnerKind, StudentConfig
from td3core.data.sequences import build_sequences, leave_last_out
from td3core.errors import DivergedError
from td3core.inner import Labeller
from td3core.interactions import filter_log, read_log
from td3core.learners import SASRec, build_learner
from td3core.ranking.task import RankingTask
from td3core.training.students import StudentTraining, train_labeller

CPU = torch.device("cpu")
KEYS = torch.eye(12)
"""Twelve items, each its own key, so that a query is a row of logits."""


def cycles(sharpness: float = 8.0) -> Tensor:
    """Twelve soft sequences of eight steps; each goes round the items in order, from a start of its own."""
    steps = (torch.arange(12)[:, None] + torch.arange(8)) % 12
    return sharpness * functional.one_hot(steps, 12).float()


def mixed(**options) -> StudentConfig:
    return StudentConfig(inputs="mixed", targets="summary", lr=0.02, steps=150, **options)


def begin(config: StudentConfig, *, d: int = 10, seed: int = 0) -> StudentTraining:
    learner = SASRec(embedding_size=d, layers=1, heads=1, inner_size=16, max_length=10)
    labeller = None
    if config.targets == "labelled":
        teacher = build_learner(LearnerConfig(embedding_size=12, inner_size=16, max_length=10))
        labeller = train_labeller(
            cycles().softmax(-1), items=KEYS, learner=teacher, inner=InnerConfig(steps=60), seed=seed
        )
    return StudentTraining(cycles(), KEYS, learner=learner, labeller=labeller, config=config, seed=seed)


def successors(training: StudentTraining) -> Tensor:
    """What the learner recommends after each item and the one before it."""
    steps = (torch.arange(12)[:, None] + torch.arange(3)) % 12
    items = training.items
    outputs = training.learner(training.parameters, items[steps][None])[0, :, -1]
    return (outputs @ items.T).argmax(-1)


@pytest.mark.parametrize("d", [5, 10, 24])
@pytest.mark.parametrize("inputs", ["mixed", "drawn"])
def test_learns_what_follows_what_from_soft_sequences_alone(d: int, inputs: str) -> None:
    training = begin(mixed().model_copy(update={"inputs": inputs}), d=d)
    training.run(150)
    assert training.items.shape == (12, d)
    assert (successors(training) == (torch.arange(12) + 2) % 12).float().mean() > 0.9


def test_learns_from_a_labeller_what_it_knows() -> None:
    training = begin(StudentConfig(lr=0.02, steps=150))
    training.run(150)
    assert (successors(training) == (torch.arange(12) + 2) % 12).float().mean() > 0.9


def test_takes_the_steps_of_plain_adam_on_the_cross_entropy() -> None:
    training = begin(mixed(batch_users=12))
    items, parameters = training.items.requires_grad_(), training.parameters.requires_grad_()
    optimizer = torch.optim.Adam([items, parameters], lr=0.02)
    soft = cycles().softmax(-1)
    for _ in range(2):
        outputs = training.learner(parameters, (soft @ items)[None])[0]
        loss = functional.cross_entropy((outputs @ items.T).flatten(0, 1), soft[:, 1:].flatten(0, 1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        optimizer.param_groups[0]["lr"] = 0.02 * (1 + torch.cos(torch.tensor(torch.pi / 150)).item()) / 2
    training.run(2)
    torch.testing.assert_close(training.items, items.detach(), rtol=1e-3, atol=1e-5)


def test_begins_at_random_and_as_the_seed_says() -> None:
    first, again, other = (begin(mixed(), seed=seed) for seed in (1, 1, 2))
    assert first.items.std() == pytest.approx(0.02, rel=0.2)
    for training in (first, again, other):
        training.run(5)
    assert torch.equal(first.items, again.items)
    assert torch.equal(first.parameters, again.parameters)
    assert not torch.equal(first.items, other.items)


def test_the_rate_has_fallen_to_zero_at_the_end() -> None:
    training = begin(mixed())
    training.run(150)
    before = training.items
    training.run(1)
    assert torch.equal(training.items, before)


def test_targets_and_labeller_go_together() -> None:
    learner = SASRec(embedding_size=4, layers=1, heads=1, inner_size=4, max_length=10)
    labeller = Labeller(learner, torch.zeros(1, learner.layout.size), torch.zeros(12, 4))
    with pytest.raises(ValueError, match="'labelled' need a labeller"):
        StudentTraining(cycles(), KEYS, learner=learner, labeller=None, config=StudentConfig(), seed=0)
    with pytest.raises(ValueError, match="'summary' have no use for a labeller"):
        StudentTraining(cycles(), KEYS, learner=learner, labeller=labeller, config=mixed(), seed=0)


def test_divergence_is_named() -> None:
    training = begin(mixed().model_copy(update={"lr": 1e38}))
    with pytest.raises(DivergedError, match="lower the learning rate 1e\\+38"):
        training.run(20)


@pytest.fixture(scope="module")
def summary(archive: Path) -> Summary:
    return load_summary(archive)


@pytest.mark.parametrize("kind", ["sasrec", "gru4rec", "narm", "bert4rec"])
def test_every_learner_of_any_size_learns_of_real_users(
    summary: Summary, tiny_log: Path, kind: LearnerKind
) -> None:
    split = leave_last_out(build_sequences(filter_log(read_log(tiny_log, DataConfig()), DataConfig())))
    task = RankingTask(split, part="valid", max_length=20, cutoffs=(10,), exclude_seen=True, device=CPU)
    config = LearnerConfig(kind=kind, embedding_size=24, inner_size=16, max_length=20)

    def score(steps: int) -> float:
        own = StudentConfig(lr=0.01, steps=100)
        trained = summary.train(learner=config, student=own, steps=steps)
        return task.evaluate(trained.learner, trained.parameters, trained.items)[0]["ndcg@10"]

    assert score(100) > score(0)


@pytest.mark.parametrize("kind", ["sasrec", "gru4rec", "narm", "bert4rec"])
def test_every_learner_reads_mixtures_and_learns_from_them_alone(summary: Summary, kind: LearnerKind) -> None:
    config = LearnerConfig(kind=kind, embedding_size=24, inner_size=16, max_length=20)
    own = StudentConfig(inputs="mixed", targets="summary", dropout=0.1)
    trained = summary.train(learner=config, student=own, steps=3)
    assert trained.items.shape == (len(summary.item_ids), 24)
    assert trained.recommend(summary.item_ids[:3], k=1)


def test_a_student_learns_from_a_masked_labeller_what_it_knows() -> None:
    """Which is asked at gaps alone, while the student predicts at every step."""
    config = StudentConfig(lr=0.02, steps=60)
    teacher = build_learner(LearnerConfig(kind="bert4rec", embedding_size=12, inner_size=16, max_length=10))
    labeller = train_labeller(
        cycles().softmax(-1), items=KEYS, learner=teacher, inner=InnerConfig(steps=300), seed=0
    )
    learner = SASRec(embedding_size=10, layers=1, heads=1, inner_size=16, max_length=10)
    training = StudentTraining(cycles(), KEYS, learner=learner, labeller=labeller, config=config, seed=0)
    training.run(training.steps)
    assert (successors(training) == (torch.arange(12) + 2) % 12).float().mean() > 0.9


@pytest.mark.parametrize("kind", ["gru4rec", "narm", "bert4rec"])
def test_another_kind_is_taught_on_the_shared_factor(summary: Summary, kind: LearnerKind) -> None:
    config = summary.manifest.spec.learner.model_copy(update={"kind": kind})
    student = StudentConfig(steps=4)
    taught = summary.train(learner=config, student=student)
    assert torch.equal(taught.items, summary.items)
    alone = summary.train(learner=config, taught=False)
    assert not torch.equal(taught.parameters, alone.parameters)


def test_a_student_on_the_shared_factor_comes_to_predict_what_its_labeller_does() -> None:
    labelled = begin(StudentConfig(lr=0.02, steps=150), d=12)
    assert labelled.labeller is not None
    learner = build_learner(LearnerConfig(kind="gru4rec", embedding_size=12, inner_size=16, max_length=10))
    training = StudentTraining(
        cycles(),
        KEYS,
        learner=learner,
        labeller=labelled.labeller,
        config=labelled.config,
        seed=0,
        items=KEYS,
    )
    training.run(training.steps)
    assert torch.equal(training.items, KEYS)
    assert (successors(training) == (torch.arange(12) + 2) % 12).float().mean() > 0.9


def test_a_masked_student_takes_as_many_steps_more_as_it_is_asked_for_fewer_positions() -> None:
    learner = build_learner(LearnerConfig(kind="bert4rec", embedding_size=8, max_length=20))
    training = StudentTraining(cycles(), KEYS, learner=learner, labeller=None, config=mixed(), seed=0)
    assert training.steps == 5 * mixed().steps


def test_a_masked_labeller_rules_how_many_steps_it_takes() -> None:
    """It is asked for a fifth of the positions at a time, whatever the student could be asked for."""
    items = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    sasrec, bert4rec = (
        build_learner(LearnerConfig(kind=kind, embedding_size=4, inner_size=4, max_length=6))
        for kind in ("sasrec", "bert4rec")
    )
    parameters = bert4rec.initialise(
        1, generator=torch.Generator().manual_seed(1), dtype=items.dtype, device=items.device
    )
    training = StudentTraining(
        torch.randn(3, 6, 4),
        items,
        learner=sasrec,
        labeller=Labeller(bert4rec, parameters, items),
        config=StudentConfig(steps=10),
        seed=0,
    )
    assert training.steps == 10 * bert4rec.objective.passes > 10 * sasrec.objective.passes
