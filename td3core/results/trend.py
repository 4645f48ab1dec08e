"""Learner configurations in the order of the summary and in that of the log."""

from pydantic import Field

from td3core.config import LearnerKind
from td3core.results.base import Result
from td3core.results.figures import Spread


class TrendRow(Result):
    """A learner configuration, trained on both."""

    learner: LearnerKind = Field(description="Kind of the learner.")
    embedding_size: int = Field(description="Width of its item embedding.")
    layers: int = Field(description="Number of its layers.")
    inner_size: int = Field(description="Width of its inner layers.")
    summary: dict[str, Spread] = Field(description="Figures by metric, trained on the summary.")
    full: dict[str, Spread] = Field(description="Figures by metric, trained on the log.")


class RankAgreement(Result):
    """How far two orders agree."""

    tau: float | None = Field(
        description="Kendall's tau-b of the means: 1 the same order, -1 the reverse; null where all tie."
    )
    p_value: float | None = Field(
        description="Two-sided probability of such a tau if all orders were alike likely; null where all tie."
    )
    over_seeds: Spread | None = Field(
        description="Tau of each seed's figures by themselves; null where one of them has none."
    )


class Trend(Result):
    """Learner configurations in the order of the summary and in that of the log."""

    configurations: tuple[TrendRow, ...] = Field(
        description="The configurations whose training diverged on neither."
    )
    agreement: dict[str, RankAgreement] = Field(description="Agreement of the two orders, by metric.")
