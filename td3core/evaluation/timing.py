"""Seconds of training, and what they say of a distillation: how much faster, and after how many trainings it pays."""

import statistics
from collections.abc import Sequence

from td3core.evaluation.fidelity import spread
from td3core.results import Timing
from td3core.stopwatch import CurvePoint


def seconds_to_reach(score: float, curve: Sequence[CurvePoint]) -> float | None:
    """Return when a training first was as good as `score`; None if it never was.

    Between two points its score is taken to rise evenly, and before the first from nothing at zero seconds: where the
    points are far apart that errs in favour of the training.
    """
    before = CurvePoint(0.0, 0.0)
    for point in curve:
        if point.score >= score:
            rise = point.score - before.score
            part = (score - before.score) / rise if rise > 0 else 0.0
            return before.seconds + part * (point.seconds - before.seconds)
        before = point
    return None


def break_even(*, distil: float, log: float, summary: float) -> float | None:
    """Return after how many trainings the distillation has paid for itself: `distil / (log - summary)`.

    All three are seconds: of the distillation, of a training on the log, of one on the summary. None if training on
    the summary is no faster, so that it never pays.
    """
    saved = log - summary
    return distil / saved if saved > 0 else None


def compare_seconds(
    *, summary: Sequence[CurvePoint], full: Sequence[Sequence[CurvePoint]], distil: float | None
) -> Timing:
    """Set trainings on the summary, by their ends, against trainings on the log, by their courses."""
    quality = statistics.fmean(end.score for end in summary)
    until = [seconds_to_reach(quality, curve) for curve in full]
    whole = [curve[-1].seconds for curve in full]
    log = spread([end if at is None else at for at, end in zip(until, whole, strict=True)])
    ours = spread([end.seconds for end in summary])
    return Timing(
        summary_seconds=ours,
        full_seconds=spread(whole),
        log_seconds=log,
        reached=sum(at is not None for at in until),
        speedup=log.mean / ours.mean if ours.mean > 0 else None,
        distil_seconds=distil,
        break_even=None if distil is None else break_even(distil=distil, log=log.mean, summary=ours.mean),
    )
