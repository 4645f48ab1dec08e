"""Iterate a run of td3core to its end, reporting every step."""

import math
from collections.abc import Iterable

from td3core.progress import Progress, Stage
from worker.lease import Watch


def starting(watch: Watch, stage: Stage) -> None:
    """Show what comes first, before torch is loaded, which takes seconds."""
    watch.report(stage=stage, progress=0.0, step=0, steps=1, losses={}, eta_seconds=None)


def follow(run: Iterable[Progress], watch: Watch) -> None:
    """Pass each report on; `watch` raises where the run has to stop."""
    for progress in run:
        watch.report(
            stage=progress.stage,
            progress=progress.fraction,
            step=progress.step,
            steps=progress.steps,
            # JSON knows no NaN or infinity; td3core ends a run that diverges with an error of its own.
            losses={name: value for name, value in progress.losses.items() if math.isfinite(value)},
            eta_seconds=progress.eta_seconds,
        )
