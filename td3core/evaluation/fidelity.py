"""How fidelity figures are summed up over seeds, and set against ceiling, floor and rivals."""

import statistics
from collections.abc import Mapping, Sequence

from td3core.config import SOURCE_BY_NAME, SOURCES, EvaluationSource
from td3core.evaluation.intervals import mean_interval, ratio_interval
from td3core.results import Comparison, Recovery, Spread

Figures = dict[str, float]
"""Metric, such as `ndcg@10`, to value."""


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


def recoveries(
    by_source: Mapping[str, Mapping[str, Spread]], summary: EvaluationSource = "summary"
) -> dict[str, Recovery]:
    """Set a source of role summary against its ceiling and its floor, metric by metric.

    Empty without its ceiling, or itself; a source may have no floor.
    """
    row = SOURCE_BY_NAME[summary]
    if row.ceiling is None or not {summary, row.ceiling} <= by_source.keys():
        return {}
    ours, ceiling = by_source[summary], by_source[row.ceiling]
    floor: Mapping[str, Spread] = {} if row.floor is None else by_source.get(row.floor, {})
    return {name: _recovery(ours[name], ceiling[name], floor.get(name)) for name in ours if name in ceiling}


def comparisons(
    by_source: Mapping[str, Mapping[str, Spread]], summary: EvaluationSource = "summary"
) -> dict[str, dict[str, Comparison]]:
    """Set a source of role summary against each rival, metric by metric; empty without it."""
    if summary not in by_source:
        return {}
    ours = by_source[summary]
    rivals = [source.name for source in SOURCES if source.role == "rival" and source.name in by_source]
    return {
        rival: {
            name: _comparison(ours[name], by_source[rival][name]) for name in ours if name in by_source[rival]
        }
        for rival in rivals
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
