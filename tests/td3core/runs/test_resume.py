"""A run that is left and taken up again ends with the bytes of one that never stopped."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from td3core.checkpoint import load_checkpoint, save_checkpoint
from td3core.config import JobSpec, StopConfig
from td3core.data import SupervisedChunks
from td3core.errors import InvalidCheckpointError
from td3core.outer.distillation import Distillation
from td3core.progress import Progress
from td3core.runs.distillation import DistillationRun
from tests.support.specs import FARZI_SPEC, TINY_SPEC

CPU = torch.device("cpu")


def changed(**sections: dict[str, Any]) -> JobSpec:
    """The tiny spec with other values, section by section, and without the certificate."""
    spec = TINY_SPEC.model_dump() | {"certificate": {"learners": 0}}
    return JobSpec.model_validate(spec | {name: spec[name] | values for name, values in sections.items()})


def run_of(log: Path, spec: JobSpec) -> DistillationRun:
    return DistillationRun(log, spec, log_name="tiny.csv", device=CPU)


def bytes_of(run: DistillationRun, folder: Path) -> bytes:
    run.save(folder / "summary.zip")
    return (folder / "summary.zip").read_bytes()


def undisturbed(log: Path, spec: JobSpec, folder: Path) -> bytes:
    run = run_of(log, spec)
    list(run)
    return bytes_of(run, folder)


def resumed(log: Path, spec: JobSpec, path: Path) -> DistillationRun:
    run = run_of(log, spec)
    if path.exists():
        run.resume(path)
    return run


def left_again_and_again(
    log: Path, spec: JobSpec, path: Path, *, every: int
) -> tuple[DistillationRun, list[Progress]]:
    """Leave the run after so many reports of teacher or distillation, until only the packing is left."""
    reports: list[Progress] = []
    while True:
        run = resumed(log, spec, path)
        before = len(reports)
        for progress in run:
            reports += [progress] * (progress.stage in ("teacher", "distilling"))
            if len(reports) == before + every:
                run.checkpoint(path)
                break
        else:
            return run, reports


@pytest.mark.parametrize(
    ("every", "spec"),
    [
        (1, changed(teacher={"members": 1, "max_epochs": 3, "batch_size": 64})),
        (4, FARZI_SPEC),
        (4, changed(learner={"kind": "gru4rec"})),
        (4, changed(learner={"kind": "narm"})),
        (4, changed(learner={"kind": "bert4rec"})),
        (4, changed(inner={"warm_up": "rat", "initial": "mixed"})),
        (4, changed(inner={"warm_up": "fixed", "learn_lr": True, "optimizer": "sgd"})),
        (5, changed(inner={"learners": 2}, outer={"candidates": 16, "batch_size": 200})),
        (2, changed(teacher={"patience": 1, "lr": 0.1}, outer={"averaging": 0.0})),
        (3, changed(stop={"recovery": 0.01})),
        (1, changed(teacher={"patience": 1, "lr": 1e-9})),
        (4, changed(summary={"start": "rollouts"})),
    ],
    ids=[
        *("each", "farzi", "gru4rec", "narm", "bert4rec", "rat", "fixed", "candidates", "patience", "stop"),
        *("restarts", "rollouts"),
    ],
)
def test_a_run_that_is_left_again_and_again_ends_with_the_same_bytes(
    every: int, spec: JobSpec, tiny_log: Path, tmp_path: Path
) -> None:
    run, reports = left_again_and_again(tiny_log, spec, tmp_path / "checkpoint", every=every)
    expected = run_of(tiny_log, spec)
    undisturbed_reports = [report for report in expected if report.stage in ("teacher", "distilling")]
    assert [(r.stage, r.step, r.losses, r.scores) for r in reports] == [
        (r.stage, r.step, r.losses, r.scores) for r in undisturbed_reports
    ]
    assert bytes_of(run, tmp_path) == bytes_of(expected, tmp_path)


@pytest.mark.usefixtures("compiler")
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_compiled_run_that_is_left_ends_with_the_same_bytes(tiny_log: Path, tmp_path: Path) -> None:
    spec = changed(inner={"compile": "always"})
    run, _ = left_again_and_again(tiny_log, spec, tmp_path / "checkpoint", every=10)
    assert bytes_of(run, tmp_path) == undisturbed(tiny_log, spec, tmp_path)


def test_what_is_left_in_the_packing_is_packed_again(tiny_log: Path, tmp_path: Path) -> None:
    first = run_of(tiny_log, TINY_SPEC)
    for progress in first:
        if progress.stage == "packing" and progress.step:
            first.checkpoint(tmp_path / "checkpoint")
            break
    second = resumed(tiny_log, TINY_SPEC, tmp_path / "checkpoint")
    assert {progress.stage for progress in second} == {"reading", "packing"}
    assert bytes_of(second, tmp_path) == undisturbed(tiny_log, TINY_SPEC, tmp_path)


def test_a_run_that_is_left_before_it_went_on_is_as_far_as_before(tiny_log: Path, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    first = run_of(tiny_log, TINY_SPEC)
    far = next(progress for progress in first if (progress.stage, progress.step) == ("distilling", 4))
    first.checkpoint(path)
    second = resumed(tiny_log, TINY_SPEC, path)
    reading = next(iter(second))
    assert (reading.stage, reading.fraction) == ("reading", far.fraction)
    second.checkpoint(path)
    third = resumed(tiny_log, TINY_SPEC, path)
    assert [report.step for report in third if report.stage == "distilling"] == [5, 6]
    assert set(third.seconds) == {"reading", "teacher", "distilling", "packing"}


def test_a_distillation_that_diverged_is_not_gone_on_with(
    tiny_log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_batch = Distillation.real_batch

    def poisoned(self: Distillation) -> SupervisedChunks:
        if self.course.step == 4:
            self.factors.tensors["core"].data.fill_(torch.nan)
        return real_batch(self)

    monkeypatch.setattr(Distillation, "real_batch", poisoned)
    first = run_of(tiny_log, TINY_SPEC)
    next(progress for progress in first if progress.stage == "packing")
    first.checkpoint(tmp_path / "checkpoint")
    second = resumed(tiny_log, TINY_SPEC, tmp_path / "checkpoint")
    assert {progress.stage for progress in second} == {"reading", "packing"}
    assert second.metrics["stopped"]["reason"] == "diverged"
    assert second.metrics["summary"]["outer_step"] == 3


def test_the_time_a_run_may_take_goes_on_where_it_was_left(tiny_log: Path, tmp_path: Path) -> None:
    spec = changed(stop={"seconds": 3600.0})
    first = run_of(tiny_log, spec)
    next(progress for progress in first if progress.stage == "distilling")
    first.checkpoint(tmp_path / "checkpoint")
    state = load_checkpoint(tmp_path / "checkpoint", DistillationRun.checkpoint_type, device=CPU)
    assert 0 < state.elapsed < 3600
    save_checkpoint(replace(state, elapsed=4000.0), tmp_path / "checkpoint")
    second = resumed(tiny_log, spec, tmp_path / "checkpoint")
    list(second)
    assert second.metrics["stopped"] == {"reason": "seconds"}
    assert second.metrics["summary"]["outer_step"] == 2


@pytest.fixture
def checkpoint(tiny_log: Path, tmp_path: Path) -> Path:
    """Of the second outer step."""
    run = run_of(tiny_log, TINY_SPEC)
    next(progress for progress in run if (progress.stage, progress.step) == ("distilling", 2))
    run.checkpoint(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def damages(content: bytes) -> Iterator[bytes]:
    yield b""
    yield content[:-1]
    yield content[: len(content) // 2]
    for place in (0, 9, len(content) // 3, len(content) - 1):
        yield content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def test_a_damaged_checkpoint_is_refused_and_the_run_is_as_it_was(
    tiny_log: Path, checkpoint: Path, tmp_path: Path
) -> None:
    content = checkpoint.read_bytes()
    run = run_of(tiny_log, TINY_SPEC)
    for damaged in damages(content):
        checkpoint.write_bytes(damaged)
        with pytest.raises(InvalidCheckpointError, match="damaged"):
            run.resume(checkpoint)
    checkpoint.unlink()
    with pytest.raises(InvalidCheckpointError, match="cannot be read"):
        run.resume(checkpoint)
    list(run)
    assert bytes_of(run, tmp_path) == undisturbed(tiny_log, TINY_SPEC, tmp_path)


def test_a_checkpoint_of_another_run_is_refused(tiny_log: Path, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InvalidCheckpointError, match=r"belongs to another run: spec\.seed: expected 1, got 0$"
    ):
        run_of(tiny_log, TINY_SPEC.model_copy(update={"seed": 1})).resume(checkpoint)
    other = tmp_path / "other.csv"
    other.write_bytes(tiny_log.read_bytes() + b"u1,i1,99999999999\n")
    with pytest.raises(InvalidCheckpointError, match="belongs to another run"):
        run_of(other, TINY_SPEC).resume(checkpoint)
    with pytest.raises(InvalidCheckpointError, match="belongs to another run"):
        DistillationRun(tiny_log, TINY_SPEC, device=CPU, dtype=torch.float64).resume(checkpoint)


def with_spec(checkpoint: Path, spec: dict[str, Any]) -> None:
    """Let the checkpoint hold this spec, as another version stored it."""
    state = load_checkpoint(checkpoint, DistillationRun.checkpoint_type, device=CPU)
    save_checkpoint(replace(state, of={**state.of, "spec": spec}), checkpoint)


def test_a_field_that_the_stored_spec_does_not_have_is_at_its_default(
    tiny_log: Path, checkpoint: Path
) -> None:
    spec = TINY_SPEC.model_dump(mode="json")
    assert spec.pop("stop") == StopConfig().model_dump(mode="json")
    with_spec(checkpoint, spec)
    run_of(tiny_log, TINY_SPEC).resume(checkpoint)


def test_a_field_that_this_version_does_not_know_is_refused(tiny_log: Path, checkpoint: Path) -> None:
    with_spec(checkpoint, TINY_SPEC.model_dump(mode="json") | {"of_the_future": 1})
    with pytest.raises(InvalidCheckpointError, match="of_the_future"):
        run_of(tiny_log, TINY_SPEC).resume(checkpoint)
