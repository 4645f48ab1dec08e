"""How fidelity figures are summed up over seeds and set against ceiling and floor."""

import statistics
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

Figures = dict[str, float]
"""Metric, such as `ndcg@10`, to value."""


class Spread(BaseModel):
    """A metric over seeds."""

    model_config = ConfigDict(frozen=True)

    mean: float
    std: float | None = Field(description="Sample standard deviation; null for a single seed.")
    values: tuple[float, ...]


class Recovery(BaseModel):
    """A summary's metric against its ceiling and its floor; null where there is nothing to divide by."""

    model_config = ConfigDict(frozen=True)

    recovery: float | None = Field(description="summary / full")
    lift_recovery: float | None = Field(description="(summary - floor) / (full - floor)")


class EvaluationResult(BaseModel):
    """What an evaluation found."""

    model_config = ConfigDict(frozen=True)

    results: dict[str, dict[str, dict[str, Spread]]] = Field(description="learner -> source -> metric")
    recovery: dict[str, dict[str, Recovery]] = Field(description="learner -> metric")
    seconds: dict[str, dict[str, float]] = Field(description="learner -> source -> mean seconds a seed")
    seeds: tuple[int, ...]
    split: str
    protocol: str
    exclude_seen: bool


def spreads(rows: Sequence[Figures]) -> dict[str, Spread]:
    """Sum up each metric over the seeds."""
    columns = {name: tuple(row[name] for row in rows) for name in rows[0]}
    return {
        name: Spread(
            mean=statistics.fmean(values),
            std=statistics.stdev(values) if len(values) > 1 else None,
            values=values,
        )
        for name, values in columns.items()
    }


def recoveries(by_source: Mapping[str, Mapping[str, Spread]]) -> dict[str, Recovery]:
    """Set the summary against `full` and `floor`, metric by metric; empty where either end is missing."""
    if "summary" not in by_source or "full" not in by_source:
        return {}
    summary, full, floor = by_source["summary"], by_source["full"], by_source.get("floor")
    return {
        name: Recovery(
            recovery=_ratio(summary[name].mean, full[name].mean),
            lift_recovery=None
            if floor is None
            else _ratio(summary[name].mean - floor[name].mean, full[name].mean - floor[name].mean),
        )
        for name in summary
    }


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
