"""Teachers of several members: what they take over, and that they can be left at any report."""

from pathlib import Path

import numpy as np
import pytest
import torch

from td3core.catalogue import ensemble_cross_entropy
from td3core.checkpoint import load_checkpoint, save_checkpoint
from td3core.config import DataConfig, LearnerConfig, TeacherConfig
from td3core.data import Split, build_sequences, leave_last_out
from td3core.inner import Labeller
from td3core.interactions import filter_log, read_log
from td3core.learners import build_learner
from td3core.ranking import validation_task
from td3core.training import LogTraining, TeacherTraining, TeacherTrainingState, Trained
from td3core.training.ensemble import STEPS, EnsembleTraining
from td3core.training.rollouts import roll_out_as_log

CPU = torch.device("cpu")
LEARNER = build_learner(LearnerConfig(embedding_size=8, inner_size=8, max_length=10))


@pytest.fixture(scope="module")
def split(tiny_log: Path) -> Split:
    return leave_last_out(build_sequences(filter_log(read_log(tiny_log, DataConfig()), DataConfig())))


def teacher(split: Split, *, members: int, seed: int = 0) -> TeacherTraining:
    return TeacherTraining(
        LEARNER,
        split.train,
        validation_task(split, max_length=10, exclude_seen=True, device=CPU),
        config=TeacherConfig(members=members, max_epochs=2, batch_size=64),
        dropout=0.1,
        distinct=True,
        seed=seed,
        stage="teacher",
        device=CPU,
        dtype=torch.float32,
    )


def finished(training: TeacherTraining | LogTraining | EnsembleTraining) -> Trained:
    work = training.run()
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def test_ensemble_cross_entropy_is_that_of_the_mean_of_the_distributions() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs, items = (
        torch.randn(rows, 4, dtype=torch.float64, generator=generator).requires_grad_() for rows in (6, 9)
    )
    labels = [
        (
            torch.randn(6, width, dtype=torch.float64, generator=generator),
            torch.randn(9, width, dtype=torch.float64, generator=generator),
        )
        for width in (3, 5)
    ]
    targets = torch.stack([(queries @ keys.T).softmax(-1) for queries, keys in labels]).mean(0)
    expected = -(targets * (outputs @ items.T).log_softmax(-1)).sum(-1).mean()
    found = ensemble_cross_entropy(outputs, items, labels)
    torch.testing.assert_close(found, expected)
    for ours, theirs in zip(
        torch.autograd.grad(found, (outputs, items)),
        torch.autograd.grad(expected, (outputs, items)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def test_one_member_is_the_training_itself(split: Split) -> None:
    alone = LogTraining(
        LEARNER,
        split.train,
        validation_task(split, max_length=10, exclude_seen=True, device=CPU),
        config=TeacherConfig(max_epochs=2, batch_size=64),
        dropout=0.1,
        seed=0,
        stage="teacher",
        device=CPU,
        dtype=torch.float32,
    )
    expected, found = finished(alone), finished(teacher(split, members=1))
    assert torch.equal(found.items, expected.items)
    assert torch.equal(found.parameters, expected.parameters)


@pytest.mark.parametrize("length", [10, 4])
def test_roll_outs_are_as_long_as_the_histories_of_the_log_with_the_next_item(
    split: Split, length: int
) -> None:
    member = finished(teacher(split, members=1))
    generator = torch.Generator().manual_seed(0)
    found = roll_out_as_log(
        Labeller(LEARNER, member.parameters, member.items),
        split.train,
        6_000,
        length=length,
        distinct=True,
        generator=generator,
    )
    expected = np.minimum(split.train.lengths + 1, length)
    assert int(found.lengths.sum()) == pytest.approx(6_000, rel=0.05)
    assert set(found.lengths.tolist()) == set(expected.tolist())
    assert float(found.lengths.double().mean()) == pytest.approx(expected.mean(), rel=0.05)
    for row, steps in zip(found.items, found.lengths.tolist(), strict=True):
        assert len(set(row[:steps].tolist())) == steps


def test_the_teacher_comes_closer_to_the_ensemble_than_its_members_are(split: Split) -> None:
    """By the cross-entropy of the ensemble's predictions on sequences of the log, which it was not taught on."""
    members = [finished(teacher(split, members=1, seed=seed)) for seed in (0, 1, 2)]
    task = validation_task(split, max_length=10, exclude_seen=True, device=CPU)
    merged = finished(
        EnsembleTraining(LEARNER, members, split.train, task, distinct=True, seed=0, stage="teacher")
    )
    sequences = torch.stack([torch.from_numpy(split.train.of(user)[:8]) for user in range(10)])

    def outputs(trained: Trained) -> torch.Tensor:
        return LEARNER(trained.parameters, trained.items[sequences][None])[0].flatten(0, 1)

    labels = [(outputs(member), member.items) for member in members]
    apart = [float(ensemble_cross_entropy(outputs(one), one.items, labels)) for one in (merged, *members)]
    assert apart[0] < min(apart[1:])


@pytest.mark.slow
def test_a_training_that_is_left_at_any_report_ends_the_same(split: Split, tmp_path: Path) -> None:
    expected = finished(teacher(split, members=2))
    stages: set[tuple[int, bool, bool]] = set()
    reports = len(list(teacher(split, members=2).run()))
    for leave_at in range(1, reports + 1, 3):
        first = teacher(split, members=2)
        work = first.run()
        for _ in range(leave_at):
            next(work)
        state = first.state()
        stages.add((len(state.members), state.training is not None, state.ensemble is not None))
        path = tmp_path / "checkpoint"
        save_checkpoint(state, path)
        second = teacher(split, members=2)
        second.restore(load_checkpoint(path, TeacherTrainingState, device=CPU))
        untouched = second.state()
        assert len(untouched.members) == len(state.members)
        found = finished(second)
        assert torch.equal(found.items, expected.items), leave_at
        assert torch.equal(found.parameters, expected.parameters), leave_at
    assert stages == {(0, True, False), (1, True, False), (2, False, True)}


def test_progress_rises_to_the_end(split: Split) -> None:
    parts = [report.step / report.steps for report in teacher(split, members=2).run()]
    assert parts == sorted(parts)
    assert parts[0] < 0.1
    assert 1 - 20 / STEPS < parts[-1] <= 1


@pytest.mark.parametrize(
    ("given", "interactions", "items", "members"),
    [(None, 100_000, 5_000, 3), (None, 100_001, 5_000, 1), (2, 10, 10, 2), (5, 10**8, 10**5, 5)],
)
def test_trainings_that_are_cheap_have_members(
    given: int | None, interactions: int, items: int, members: int
) -> None:
    assert TeacherConfig(members=given).members_of(interactions=interactions, items=items) == members
