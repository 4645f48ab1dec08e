"""How fidelity figures are summed up over seeds and users, and set against ceiling, floor and rivals."""

import statistics
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from td3core.config import SOURCE_BY_NAME, SOURCES, EvaluationSource
from td3core.evaluation.bootstrap import Estimate, interval
from td3core.evaluation.intervals import mean_interval
from td3core.results import Comparison, Interval, Recovery, Spread

Estimates = Mapping[str, Estimate]
"""By metric, such as `ndcg@10`."""


def spread(values: Sequence[float]) -> Spread:
    """Sum up over the seeds what users have no part in, such as seconds."""
    return _spread(values, mean_interval(values))


def spreads(estimates: Estimates) -> dict[str, Spread]:
    """Sum up each metric over seeds and users."""
    return {name: _spread(figure.values, interval(figure.draws)) for name, figure in estimates.items()}


def recoveries(
    by_source: Mapping[str, Estimates], summary: EvaluationSource = "summary"
) -> dict[str, Recovery]:
    """Set a source of role summary against its ceiling, its floor and the teacher, metric by metric.

    Empty without its ceiling, or itself; a source may have no floor, and an evaluation no teacher.
    """
    row = SOURCE_BY_NAME[summary]
    if row.ceiling is None or not {summary, row.ceiling} <= by_source.keys():
        return {}
    ours, ceiling = by_source[summary], by_source[row.ceiling]
    floor: Estimates = {} if row.floor is None else by_source.get(row.floor, {})
    teacher: Estimates = by_source.get("teacher", {})
    return {
        name: _recovery(ours[name], ceiling[name], floor.get(name), teacher.get(name))
        for name in ours
        if name in ceiling
    }


def comparisons(
    by_source: Mapping[str, Estimates], summary: EvaluationSource = "summary"
) -> dict[str, dict[str, Comparison]]:
    """Set a source of role summary against each rival, metric by metric.

    Rivals for learners with an embedding of their own are set against `summary_own_embedding`, and those of long
    trainings against `summary_long`. Those without an opponent are left out.
    """
    found: dict[str, dict[str, Comparison]] = {}
    for rival in SOURCES:
        opponent = summary
        if rival.own_embedding:
            opponent = "summary_own_embedding"
        elif rival.steps is not None:
            opponent = "summary_long"
        ours = by_source.get(opponent)
        theirs = by_source.get(rival.name)
        if rival.role == "rival" and ours is not None and theirs is not None:
            found[rival.name] = {
                name: comparison(ours[name], theirs[name]) for name in ours if name in theirs
            }
    return found


def comparison(summary: Estimate, rival: Estimate) -> Comparison:
    """Say by how much a figure of the summary leads that of another source, over seeds and the same users."""
    ends = interval(summary.draws - rival.draws)
    assert ends is not None  # figures are finite
    return Comparison(
        difference=summary.mean - rival.mean,
        low=ends.low,
        high=ends.high,
        disjoint=ends.low > 0 or ends.high < 0,
    )


def _spread(values: Sequence[float], ends: Interval | None) -> Spread:
    return Spread(
        mean=statistics.fmean(values),
        std=statistics.stdev(values) if len(values) > 1 else None,
        low=ends and ends.low,
        high=ends and ends.high,
        values=tuple(values),
    )


def _recovery(
    summary: Estimate, full: Estimate, floor: Estimate | None, teacher: Estimate | None
) -> Recovery:
    ends = _ratio_interval(summary.draws, full.draws)
    lift = lift_ends = None
    if floor is not None:
        lift = _ratio(summary.mean - floor.mean, full.mean - floor.mean)
        lift_ends = _ratio_interval(summary.draws - floor.draws, full.draws - floor.draws)
    if lift is None:
        lift_ends = None
    of_teacher = None if teacher is None else _ratio(summary.mean, teacher.mean)
    teacher_ends = None if teacher is None else _ratio_interval(summary.draws, teacher.draws)
    return Recovery(
        recovery=_ratio(summary.mean, full.mean),
        low=ends and ends.low,
        high=ends and ends.high,
        lift_recovery=lift,
        lift_low=lift_ends and lift_ends.low,
        lift_high=lift_ends and lift_ends.high,
        teacher_recovery=of_teacher,
        teacher_low=teacher_ends and teacher_ends.low,
        teacher_high=teacher_ends and teacher_ends.high,
    )


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _ratio_interval(part: NDArray[np.float64], whole: NDArray[np.float64]) -> Interval | None:
    """Return the interval of a ratio; None if so many draws have nothing to divide by that it has no end."""
    some = whole > 0
    ratios = np.divide(part, whole, out=np.full_like(part, np.inf), where=some)
    return interval(ratios)
