"""Checkpoints of earlier formats, as the version that wrote them left them: one of each kind of run."""

import json
from pathlib import Path

import pytest
import torch

from td3core.checkpoint import load_checkpoint
from td3core.data.sample import generate_sample_log
from td3core.factors import FarziFactors
from td3core.formats import read_evaluation_spec, read_job_spec
from td3core.runs import DistillationRun, EvaluationRun
from td3core.runs.distillation import DistillingState, TeacherState

FORMATS = Path(__file__).parents[2] / "fixtures" / "checkpoints"
CPU = torch.device("cpu")


@pytest.fixture(params=sorted(path.name for path in FORMATS.iterdir()))
def folder(request: pytest.FixtureRequest) -> Path:
    """Of each format."""
    return FORMATS / request.param


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one that all of them are of."""
    path = tmp_path_factory.mktemp("log") / "log.csv"
    generate_sample_log(users=30, items=15, seed=3).write_csv(path)
    return path


def distillation(folder: Path, log: Path) -> DistillationRun:
    spec = read_job_spec(json.loads((folder / "spec.json").read_text()), version=1)
    return DistillationRun(log, spec, log_name="log.csv", device=CPU)


def test_a_teachers_training_goes_on(folder: Path, log: Path) -> None:
    run = distillation(folder, log)
    run.resume(folder / "teacher")
    state = load_checkpoint(folder / "teacher", run.checkpoint_type, device=CPU).work
    assert isinstance(state, TeacherState)
    assert state.training.training is not None
    before = state.training.training.course.curve
    assert before
    reports = list(run)
    assert reports[0].fraction > 0.01
    assert run._distillation is not None
    curve = run._distillation.teacher.curve
    assert (len(curve), curve[: len(before)]) == (run.spec.teacher.max_epochs, tuple(before))
    assert run.summary.manifest.metrics["summary"]["outer_step"] > 0


def test_a_distillation_goes_on(folder: Path, log: Path) -> None:
    run = distillation(folder, log)
    run.resume(folder / "distilling")
    assert [report.step for report in run if report.stage == "distilling"] == [4]
    assert run._distillation is not None
    assert run._distillation.course.first_loss is not None
    assert len(run._distillation.teacher.curve) == run.spec.teacher.max_epochs


def test_what_is_not_learned_of_factors_is_found(folder: Path) -> None:
    state = load_checkpoint(folder / "distilling", DistillationRun.checkpoint_type, device=CPU).work
    assert isinstance(state, DistillingState)
    assert state.distillation.course.best is not None
    for factors in (
        state.distillation.factors,
        state.distillation.average,
        state.distillation.course.best.factors,
    ):
        assert isinstance(factors, FarziFactors)
        assert factors.temperature == 0.5


def test_an_evaluation_goes_on(folder: Path, log: Path) -> None:
    spec = read_evaluation_spec(json.loads((folder / "evaluation.json").read_text()), version=1)
    run = EvaluationRun(folder / "summary.zip", log, spec, device=CPU)
    run.resume(folder / "evaluating")
    assert run._resumed is not None
    assert run._resumed.rivals["farzi"] is not None
    assert not run._resumed.trials, "they have no ranks by user, and are done again"
    steps = [report.step for report in run]
    assert list(dict.fromkeys(steps)) == list(range(5))
    assert set(run.result["results"]["sasrec"]) == {"summary", "farzi", "full", "floor"}
