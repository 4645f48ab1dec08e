"""Trainings that come to nothing start again, and can be left at any report all the same."""

import logging
from pathlib import Path

import pytest
import torch

from td3core.checkpoint import load_checkpoint, save_checkpoint
from td3core.config import DataConfig, LearnerConfig, TeacherConfig
from td3core.data import Split, build_sequences, leave_last_out
from td3core.interactions import filter_log, read_log
from td3core.learners import build_learner
from td3core.progress import Progress
from td3core.ranking import RankingTask, validation_task
from td3core.training import LogTraining, Trained
from td3core.training.log import LogTrainingState
from td3core.training.restarts import is_stuck, recipe

CPU = torch.device("cpu")
LEARNER = build_learner(LearnerConfig(embedding_size=8, inner_size=8, max_length=10))
HOPELESS = TeacherConfig(lr=1e-9, patience=2, max_epochs=6, batch_size=256)
"""At this rate nothing is learned, however often the training starts again."""


@pytest.fixture(scope="module")
def split(tiny_log: Path) -> Split:
    return leave_last_out(build_sequences(filter_log(read_log(tiny_log, DataConfig()), DataConfig())))


@pytest.fixture(scope="module")
def task(split: Split) -> RankingTask:
    return validation_task(split, max_length=10, exclude_seen=True, device=CPU)


def begun(split: Split, task: RankingTask, config: TeacherConfig) -> LogTraining:
    return LogTraining(
        LEARNER,
        split.train,
        task,
        config=config,
        dropout=0.4,
        seed=0,
        stage="teacher",
        device=CPU,
        dtype=torch.float32,
    )


def finished(training: LogTraining) -> tuple[Trained, list[Progress]]:
    work, reports = training.run(), []
    while True:
        try:
            reports.append(next(work))
        except StopIteration as end:
            return end.value, reports


@pytest.mark.parametrize(
    ("scores", "misses", "stuck"),
    [
        ([0.05, 0.09, 0.1, 0.101, 0.102, 0.101, 0.102, 0.101], 1, True),  # by hand: 0.102 < 1.02 x 0.101
        ([0.05, 0.09, 0.1, 0.101, 0.102, 0.101, 0.102], 0, False),  # 7 epochs: one less than warm-up and 6
        ([0.05, 0.09, 0.1, 0.101, 0.102, 0.101, 0.102, 0.106], 0, False),  # more than 1.05 x 0.1
        ([0.001, 0.002, 0.004, 0.008, 0.01, 0.01, 0.01, 0.01], 3, False),  # slow, but on its way
        ([0.001, 0.002, 0.004, 0.008, 0.01, 0.01, 0.01, 0.01, 0.01], 4, True),
        ([0.12, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01], 7, False),  # its best epoch is what remains of it
        ([0.05, 0.04, 0.04, 0.04, 0.04], 4, True),  # patience is over
        ([0.05] * 12, 11, False),  # all epochs are taken
    ],
)
def test_a_training_is_stuck_on_a_plateau_at_or_below_popularity(
    scores: list[float], misses: int, stuck: bool
) -> None:
    config = TeacherConfig(warm_up=2.0, patience=4 if misses in (4, 11) else 10, max_epochs=12)
    assert is_stuck(scores, misses=misses, popularity=0.1, config=config) is stuck


def test_small_learners_start_again_faster_and_large_ones_slower() -> None:
    assert recipe(0, small=True).rate == recipe(0, small=False).rate == 1
    assert recipe(2, small=True).rate > recipe(1, small=True).rate >= 1 > recipe(2, small=False).rate


def test_a_training_starts_again_twice_and_then_ends(
    split: Split, task: RankingTask, caplog: pytest.LogCaptureFixture
) -> None:
    training = begun(split, task, HOPELESS)
    spreads: dict[int, float] = {}
    dropouts: dict[int, float] = {}
    reports: list[Progress] = []
    with caplog.at_level(logging.WARNING, "td3core"):
        for report in training.run():
            state = training.state()
            spreads.setdefault(state.course.restarts, float(state.items.detach().std()))
            dropouts.setdefault(state.course.restarts, training._dropout.rate)
            reports.append(report)
    assert list(spreads.values()) == pytest.approx([0.02, 0.2, 0.2], rel=0.2)
    assert list(dropouts.values()) == pytest.approx([0.4, 0.1, 0.1])
    assert [record.getMessage()[-14:] for record in caplog.records[:2]] == [
        "restart 1 of 2",
        "restart 2 of 2",
    ]
    fractions = [report.step / report.steps for report in reports]
    steps = [report.step for report in reports]
    assert steps == sorted(steps)
    assert max(fractions) <= 1
    warned = [report.warning for report in reports if report.warning is not None]
    assert warned == [record.getMessage() for record in caplog.records[:2]]


def test_what_is_best_of_all_starts_is_kept(split: Split, task: RankingTask) -> None:
    training = begun(split, task, HOPELESS)
    trained, _ = finished(training)
    (figures,) = task.evaluate(LEARNER, trained.parameters, trained.items)
    assert training.state().course.restarts == 2
    assert trained.score == max(point.score for point in trained.curve) == figures["ndcg@10"]


def test_a_training_that_learns_does_not_start_again(split: Split, task: RankingTask) -> None:
    training = begun(split, task, TeacherConfig(lr=0.01, max_epochs=10, batch_size=64))
    trained, _ = finished(training)
    assert trained.score > task.popularity["ndcg@10"]
    assert training.state().course.restarts == 0
    assert len(trained.curve) <= 10


def test_a_training_that_starts_again_can_be_left_at_any_report(
    split: Split, task: RankingTask, tmp_path: Path
) -> None:
    expected, reports = finished(begun(split, task, HOPELESS))
    seen: set[int] = set()
    for leave_at in range(1, len(reports)):
        first = begun(split, task, HOPELESS)
        work = first.run()
        before = [next(work) for _ in range(leave_at)]
        seen.add(first.state().course.restarts)
        save_checkpoint(first.state(), tmp_path / "checkpoint")
        second = begun(split, task, HOPELESS)
        second.restore(load_checkpoint(tmp_path / "checkpoint", LogTrainingState, device=CPU))
        found, after = finished(second)
        assert [*before, *after] == reports
        assert torch.equal(found.items, expected.items)
        assert torch.equal(found.parameters, expected.parameters)
        assert found.warnings == expected.warnings
    assert seen == {0, 1, 2}
