"""How fidelity figures are summed up over seeds, and set against ceiling, floor and rivals."""

import statistics
from collections.abc import Mapping, Sequence

from td3core.evaluation.intervals import mean_interval, ratio_interval
from td3core.results import Comparison, Recovery, Spread

Figures = dict[str, float]
"""Metric, such as `ndcg@10`, to value."""

RIVALS = (
    "random",
    "longest",
    "coreset",
    "farzi",
    "farzi_small",
    "random_stopped",
    "longest_stopped",
    "coreset_stopped",
)
"""Sources of the summary's size that it has to beat."""


def spread(values: Sequence[float]) -> Spread:
    """Sum up a figure over the seeds."""
    interval = mean_interval(values)
    return Spread(
        mean=statistics.fmean(values),
        std=statistics.stdev(values) if len(values) > 1 else None,
        low=interval and interval.low,
        high=interval and interval.high,
        values=tuple(values),
    )


def spreads(rows: Sequence[Figures]) -> dict[str, Spread]:
    """Sum up each metric over the seeds."""
    return {name: spread([row[name] for row in rows]) for name in rows[0]}


def recoveries(by_source: Mapping[str, Mapping[str, Spread]], *, own: bool = False) -> dict[str, Recovery]:
    """Set the summary against `full` and `floor`, metric by metric; empty where either end is missing.

    With `own`, of learners with an item embedding of their own; those have no floor.
    """
    part, whole = ("own_soft", "own_full") if own else ("summary", "full")
    if part not in by_source or whole not in by_source:
        return {}
    summary, full = by_source[part], by_source[whole]
    floor = None if own else by_source.get("floor")
    return {
        name: _recovery(summary[name], full[name], None if floor is None else floor[name]) for name in summary
    }


def comparisons(
    by_source: Mapping[str, Mapping[str, Spread]], *, ours: str = "summary"
) -> dict[str, dict[str, Comparison]]:
    """Set the source `ours` against each rival, metric by metric; empty without it."""
    if ours not in by_source:
        return {}
    summary = by_source[ours]
    return {
        rival: {name: _comparison(summary[name], by_source[rival][name]) for name in summary}
        for rival in RIVALS
        if rival in by_source
    }


def _recovery(summary: Spread, full: Spread, floor: Spread | None) -> Recovery:
    interval = ratio_interval(summary.values, full.values)
    return Recovery(
        recovery=_ratio(summary.mean, full.mean),
        low=interval and interval.low,
        high=interval and interval.high,
        lift_recovery=floor and _ratio(summary.mean - floor.mean, full.mean - floor.mean),
    )


def _comparison(summary: Spread, rival: Spread) -> Comparison:
    ours, theirs = summary.interval, rival.interval
    return Comparison(
        difference=summary.mean - rival.mean,
        disjoint=None if ours is None or theirs is None else ours.disjoint(theirs),
    )


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
