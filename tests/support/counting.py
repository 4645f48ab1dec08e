"""A real run whose work is counting: small enough to be interrupted at every step of the protocol around it."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch

from api.models import RunState
from api.runs import claims
from td3core.config import JobSpec
from td3core.formats import JOB_SPEC, read_job_spec
from td3core.progress import Progress
from td3core.runs.base import ResumableRun, RunCheckpoint
from worker.execute import Attempt, Finish, Handler
from worker.follow import follow, starting

STEPS = 10
Between = Callable[[int], None]
"""Called with each step before it is reported."""


@dataclass(frozen=True)
class Counted:
    """What has been counted, and something to make the checkpoint large."""

    counted: list[int]
    ballast: torch.Tensor


@final
class Counting(ResumableRun[Counted]):
    """Counts to ten, and remembers what it has counted."""

    checkpoint_type = RunCheckpoint[Counted]
    spec_format = JOB_SPEC

    def __init__(self, log: Path, between: Between, *, ballast: int = 0) -> None:
        super().__init__(log, JobSpec(), log_name=None, device=torch.device("cpu"), dtype=torch.float32)
        self.counted: list[int] = []
        self.between = between
        self.ballast = torch.zeros(ballast, dtype=torch.uint8)

    def _read_spec(self, stored: Mapping[str, Any], *, version: int) -> JobSpec:
        return read_job_spec(stored, version=version)

    def _state(self) -> Counted:
        return Counted(self.counted, self.ballast)

    def _run(self, started: float) -> Generator[Progress, None, None]:
        self.counted = list(self._resumed.counted) if self._resumed is not None else []
        for step in range(len(self.counted) + 1, STEPS + 1):
            self.counted.append(step)
            self.between(step)
            losses = {"outer": 1 / step, "worst": float("nan")}
            scores = {"ndcg@10": step / STEPS, "hr@10": float("inf")}
            warning = "It is more than half done." if step == STEPS // 2 + 1 else None
            yield Progress("distilling", step, STEPS, losses, scores, warning, fraction=step / STEPS)


def counting(between: Between = lambda step: None, *, ballast: int = 0) -> Handler:
    """The work of an attempt; what was counted goes into the job's metrics."""

    def work(attempt: Attempt) -> Finish:
        starting(attempt, "reading")
        log = attempt.folder / "log"
        log.write_text("a log")
        run = Counting(log, between, ballast=ballast)
        follow(run, attempt)

        def finish(session: Any, held: claims.Claim) -> RunState:
            return claims.succeed(session, held, metrics={"counted": run.counted})

        return finish

    return work
