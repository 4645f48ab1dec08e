"""Learner configurations in the order of the summary and in that of the log."""

from pydantic import BaseModel, ConfigDict, Field

from td3core.config import LearnerKind
from td3core.results.figures import Spread


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
