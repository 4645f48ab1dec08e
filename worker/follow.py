"""Executing a run of td3core step by step, with reports and checkpoints."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from td3core.progress import Progress, Stage
from worker.execute import Attempt
from worker.lease import RunPausedError, RunPreemptedError, Watch, WorkerStoppingError

if TYPE_CHECKING:
    from td3core.runs import ResumableRun


def starting(attempt: Attempt, stage: Stage) -> None:
    """Report the first stage before torch is imported, which takes seconds."""
    progress = attempt.checkpoints.latest_progress()
    attempt.watch.report(
        stage=stage, progress=progress, step=0, steps=1, losses={}, scores={}, eta_seconds=None
    )


def follow(run: "ResumableRun", attempt: Attempt, *, stepped: Callable[[], None] = lambda: None) -> None:
    """Execute the run from its latest checkpoint to its end, reporting every step and storing new checkpoints.

    `stepped` is called after every step.

    Raises:
        What `Watch.report` raises if the run has to stop; if it will be resumed later, a checkpoint is stored before.
    """
    attempt.checkpoints.resume(run)
    for progress in run:
        try:
            _report(progress, attempt.watch)
            if progress.warning is not None:
                attempt.watch.warn("training", progress.warning)
            stepped()
        except (WorkerStoppingError, RunPausedError, RunPreemptedError):
            attempt.checkpoints.save(run, progress=progress.fraction)
            raise
        if attempt.checkpoints.due:
            attempt.checkpoints.save(run, progress=progress.fraction)


def _report(progress: Progress, watch: Watch) -> None:
    watch.report(
        stage=progress.stage,
        progress=progress.fraction,
        step=progress.step,
        steps=progress.steps,
        losses=_finite(progress.losses),
        scores=_finite(progress.scores),
        eta_seconds=progress.eta_seconds,
    )


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    """JSON knows no NaN or infinity; td3core ends a run that diverges with an error of its own."""
    return {name: value for name, value in figures.items() if math.isfinite(value)}
