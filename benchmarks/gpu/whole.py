"""A whole distillation of Beauty's size, left once and resumed, and one of a fifth of it on device and CPU."""

import importlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.clock import described, finish
from benchmarks.gpu.problem import write_log
from benchmarks.gpu.report import Asked, Report
from td3core.config import JobSpec
from td3core.runs import DistillationRun
from worker.device import naming_memory_errors, prepare_device

_SMALL = {
    "learner": {"embedding_size": 8, "inner_size": 8, "max_length": 10},
    "teacher": {"members": 1, "max_epochs": 2},
    "summary": {"users": 4, "length": 10},
    "inner": {"steps": 6, "window": 3, "pool_size": 2},
    "outer": {"steps": 4, "validate_every": 2, "validation_learners": 1},
    "certificate": {"learners": 2},
}
_SERVICE = ("celery", "sqlalchemy", "kombu", "pydantic_settings", "structlog")


def measure(report: Report, asked: Asked) -> None:
    """On the device: the default job, left and resumed, and one of a fifth of the users with a single teacher."""
    device = prepare_device(asked.device, threads=1)
    report.measure("machine", lambda: described(device))
    report.add("worker", _worker())
    report.measure("beauty, left and resumed", lambda: distil_beauty(device, asked, left=True))
    report.measure("fifth", lambda: distil_fifth(device, asked), needs=0 if asked.small else 25)


def distil_beauty(device: torch.device, asked: Asked, *, left: bool = False) -> dict[str, Any]:
    """Run the default job on a log of Beauty's size; leave and resume it, if asked."""
    return _on(22_363, 12_101, asked, device, members=None, left=left)


def distil_fifth(device: torch.device, asked: Asked) -> dict[str, Any]:
    """Run a job with a single teacher on a log of a fifth of the users."""
    return _on(4_500, 3_000, asked, device, members=1)


def _on(
    users: int, items: int, asked: Asked, device: torch.device, *, members: int | None, left: bool = False
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.csv"
        write_log(log, users=60 if asked.small else users, items=40 if asked.small else items)
        job = _Job(log, members, asked)
        return job.left_and_resumed(device) if left else job.through(device)


class _Job:
    """A default job on a log."""

    def __init__(self, log: Path, members: int | None, asked: Asked) -> None:
        self._log = log
        teacher = {"teacher": {"members": members}, "summary": {"users": 60}}
        self._spec = JobSpec.model_validate(_SMALL if asked.small else teacher)
        self._asked = asked

    def _run(self, device: torch.device) -> DistillationRun:
        return DistillationRun(self._log, self._spec, device=device)

    def through(self, device: torch.device) -> dict[str, Any]:
        """Return metrics and certificate, or how far it came and how fast it was then."""
        run = self._run(device)
        return _followed(run, lambda _: self._asked.left < 3) | {"memory_bytes": _peak(device)}

    def left_and_resumed(self, device: torch.device) -> dict[str, Any]:
        """Leave it in the midst of the distillation; the resumed run ends it."""
        first, second = self._run(device), self._run(device)
        checkpoint = self._log.with_suffix(".checkpoint")
        half = self._spec.outer.steps // 2
        before = _followed(first, lambda at: at == ("distilling", half) or self._asked.left < 3)
        first.checkpoint(checkpoint)
        second.resume(checkpoint)
        after = _followed(second, lambda _: self._asked.left < 3)
        return {"before": before, "after": after, "memory_bytes": _peak(device)}


def _followed(run: DistillationRun, is_last: Callable[[tuple[str, int]], bool]) -> dict[str, Any]:
    began, at = time.perf_counter(), ("reading", 0)
    ended = True
    with naming_memory_errors():
        for progress in run:
            at = progress.stage, progress.step
            if is_last(at):
                ended = False
                break
    finish(run.device)
    seconds = time.perf_counter() - began
    found: dict[str, Any] = {"ended": ended, "seconds": seconds, "at": at, "stages": dict(run.seconds)}
    return found | ({"metrics": run.metrics} if ended else {})


def _peak(device: torch.device) -> int | None:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def _worker() -> dict[str, Any]:
    """Say which of the service's packages are here; without them only the worker's handling of the device is used."""
    missing: dict[str, str] = {}
    for name in _SERVICE:
        try:
            importlib.import_module(name)
        except ImportError as error:
            missing[name] = str(error)
    return {"not_imported": missing}
