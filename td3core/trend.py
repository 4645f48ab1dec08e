"""Does the summary tell which learner to choose? The order of configurations trained on it, and on the log.

What architecture search needs of a summary is less the figures than their order: DIET, arXiv 2603.24958.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from td3core.config import LearnerConfig, LearnerKind, TrendConfig
from td3core.fidelity import Spread, spread


class TrendRow(BaseModel):
    """A learner configuration, trained on both."""

    model_config = ConfigDict(frozen=True)

    learner: LearnerKind
    embedding_size: int
    layers: int
    inner_size: int
    summary: dict[str, Spread] = Field(description="metric -> figure, trained on the summary")
    full: dict[str, Spread] = Field(description="metric -> figure, trained on the log")


class RankAgreement(BaseModel):
    """How far two orders agree."""

    model_config = ConfigDict(frozen=True)

    tau: float | None = Field(
        description="Kendall's tau-b of the means: 1 the same order, -1 the reverse; null where all tie."
    )
    p_value: float | None = Field(
        description="Two-sided probability of such a tau if all orders were alike likely; null where all tie."
    )
    over_seeds: Spread | None = Field(
        description="Tau of each seed's figures by themselves; null where one of them has none."
    )


class Trend(BaseModel):
    """Learner configurations in the order of the summary and in that of the log."""

    model_config = ConfigDict(frozen=True)

    configurations: tuple[TrendRow, ...]
    agreement: dict[str, RankAgreement] = Field(description="metric -> agreement")


def configurations(trend: TrendConfig, learner: LearnerConfig) -> tuple[LearnerConfig, ...]:
    """Return the learners to compare: those of the grid, otherwise as `learner` is."""
    return tuple(
        learner.of_width(width).model_copy(update={"kind": kind, "layers": layers, "inner_size": inner_size})
        for kind in dict.fromkeys(trend.learners)
        for width in dict.fromkeys(trend.embedding_sizes or (learner.embedding_size,))
        for layers in dict.fromkeys(trend.layers)
        for inner_size in dict.fromkeys(trend.inner_sizes or (learner.inner_size,))
    )


def trend_of(
    rows: Sequence[tuple[LearnerConfig, Mapping[str, Spread], Mapping[str, Spread]]],
) -> Trend:
    """Compare the orders of (configuration, figures of the summary, figures of the log)."""
    return Trend(
        configurations=tuple(
            TrendRow(
                learner=config.kind,
                embedding_size=config.embedding_size,
                layers=config.layers,
                inner_size=config.inner_size,
                summary=dict(summary),
                full=dict(full),
            )
            for config, summary, full in rows
        ),
        agreement={
            metric: _agreement(
                [summary[metric] for _, summary, _ in rows], [full[metric] for _, _, full in rows]
            )
            for metric in rows[0][1]
        },
    )


def _agreement(summary: Sequence[Spread], full: Sequence[Spread]) -> RankAgreement:
    ours, theirs = [row.mean for row in summary], [row.mean for row in full]
    taus = [
        _kendall(first, second)[0]
        for first, second in zip(
            zip(*(row.values for row in summary), strict=True),
            zip(*(row.values for row in full), strict=True),
            strict=True,
        )
    ]
    found = [tau for tau in taus if tau is not None]
    tau, p_value = _kendall(ours, theirs)
    return RankAgreement(
        tau=tau,
        p_value=p_value,
        over_seeds=spread(found) if len(found) == len(taus) else None,
    )


def _kendall(first: Sequence[float], second: Sequence[float]) -> tuple[float | None, float | None]:
    """Return Kendall's tau-b and its p-value; none where all values of one side tie, or there is but one."""
    found = cast(Any, stats.kendalltau(first, second))
    tau, p_value = float(found.statistic), float(found.pvalue)
    return (None, None) if math.isnan(tau) else (tau, p_value)
