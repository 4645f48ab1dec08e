"""What is said of trainings that did not go well."""

import logging
from pathlib import Path

import pytest
import torch

from td3core.config import DataConfig, EvaluationSpec, JobSpec, LearnerConfig, TeacherConfig
from td3core.data import Split, build_sequences, leave_last_out
from td3core.interactions import filter_log, read_log
from td3core.learners import build_learner
from td3core.ranking import validation_task
from td3core.results import EvaluationResult, JobMetrics
from td3core.runs import DistillationRun, EvaluationRun
from td3core.training import TeacherTraining
from td3core.training.health import warning_of
from tests.support.specs import TINY_SPEC

CPU = torch.device("cpu")
HOPELESS = {"lr": 1e-9, "patience": 1, "max_epochs": 4}


@pytest.fixture(scope="module")
def split(tiny_log: Path) -> Split:
    return leave_last_out(build_sequences(filter_log(read_log(tiny_log, DataConfig()), DataConfig())))


@pytest.mark.parametrize(
    ("scores", "restarts", "reason"),
    [
        ([0.10, 0.104, 0.103], 0, "popularity"),  # 1.04 times that of popularity
        ([0.10, 0.106, 0.105], 0, None),
        ([0.2, 0.3, 0.17, 0.17, 0.17], 0, "fell"),  # to 0.57 of the best
        ([0.2, 0.3, 0.17, 0.19, 0.17], 0, None),  # one of the last three is at 0.63 of it
        ([0.1, 0.2, 0.3], 1, "restarted"),
        ([0.05, 0.06, 0.06], 2, "popularity"),
    ],
)
def test_a_training_is_measured_by_popularity_and_by_its_own_best(
    scores: list[float], restarts: int, reason: str | None
) -> None:
    found = warning_of("teacher", scores, best=max(scores), restarts=restarts, popularity=0.1)
    assert (found and found.reason) == reason
    if found is not None:
        assert (found.score, found.last_score, found.restarts) == (max(scores), scores[-1], restarts)


@pytest.mark.parametrize(
    ("scores", "advice"),
    [([0.01, 0.02, 0.03], "raise teacher.max_epochs"), ([0.1, 0.09, 0.1, 0.09], "teacher.lr")],
)
def test_a_training_that_still_rose_is_to_be_longer(scores: list[float], advice: str) -> None:
    found = warning_of("teacher", scores, best=max(scores), restarts=0, popularity=0.1)
    assert found is not None
    assert advice in found.detail


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({**HOPELESS, "members": 1}, ["teacher"]),
        ({**HOPELESS, "members": 2}, ["member 1 of 2 of the teacher", "member 2 of 2 of the teacher"]),
        ({"members": 1, "lr": 0.01, "max_epochs": 10, "batch_size": 64}, []),
    ],
    ids=["one", "members", "healthy"],
)
def test_a_teacher_tells_of_all_its_trainings(
    split: Split, config: dict, named: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    learner = build_learner(LearnerConfig(embedding_size=8, inner_size=8, max_length=10))
    work = TeacherTraining(
        learner,
        split.train,
        validation_task(split, max_length=10, exclude_seen=True, device=CPU),
        config=TeacherConfig.model_validate(config),
        dropout=0.1,
        distinct=True,
        seed=0,
        stage="teacher",
        device=CPU,
        dtype=torch.float32,
    ).run()
    with caplog.at_level(logging.WARNING, "td3core"):
        while True:
            try:
                next(work)
            except StopIteration as end:
                warnings = end.value.warnings
                break
    assert [
        warning.training for warning in warnings if warning.training != "teacher" or named == ["teacher"]
    ] == named
    assert all(warning.reason == "popularity" for warning in warnings)
    assert {warning.detail for warning in warnings if "member" in warning.training} <= set(caplog.messages)


def test_archive_and_evaluation_tell_of_a_training_that_came_to_nothing(
    tiny_log: Path, tmp_path: Path
) -> None:
    given = TINY_SPEC.model_dump()
    spec = JobSpec.model_validate(
        given | {"teacher": {"members": 1, **HOPELESS}, "certificate": {"learners": 0}}
    )
    run = DistillationRun(tiny_log, spec, device=CPU)
    list(run)
    run.save(tmp_path / "summary.zip")
    (warning,) = JobMetrics.model_validate(run.summary.manifest.metrics).warnings
    assert (warning.reason, warning.training, warning.restarts) == ("popularity", "teacher", 2)
    assert warning.score < 1.05 * warning.popularity
    sources = EvaluationSpec(seeds=2, cutoffs=(10,), sources=("full", "summary"))
    evaluation = EvaluationRun(tmp_path / "summary.zip", tiny_log, sources, device=CPU)
    list(evaluation)
    found = EvaluationResult.model_validate(evaluation.result).warnings
    assert [warning.training for warning in found] == [
        f"full, sasrec, layers 1, width 16, seed {seed}" for seed in (0, 1)
    ]
