"""Does the summary tell which learner to choose? The order of configurations trained on it, and on the log.

What architecture search needs of a summary is less the figures than their order: DIET, arXiv 2603.24958.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from td3core.config import LearnerConfig, TrendConfig
from td3core.evaluation.fidelity import spread
from td3core.results import RankAgreement, Spread, Trend, TrendRow


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
    from scipy import stats  # takes a third of a second, and only a trend needs it

    found = cast(Any, stats.kendalltau(first, second))
    tau, p_value = float(found.statistic), float(found.pvalue)
    return (None, None) if math.isnan(tau) else (tau, p_value)
