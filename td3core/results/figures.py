"""Figures over seeds, and what they say of a summary."""

from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field


class Interval(NamedTuple):
    """Where the value lies with 95% confidence."""

    low: float
    high: float

    def disjoint(self, other: "Interval") -> bool:
        """Tell whether no value lies in both."""
        return self.high < other.low or other.high < self.low


class Spread(BaseModel):
    """A figure over seeds."""

    model_config = ConfigDict(frozen=True)

    mean: float
    std: float | None = Field(description="Sample standard deviation; null for a single seed.")
    low: float | None = Field(
        description="Lower end of Student's 95% interval of the mean; null for a single seed."
    )
    high: float | None = Field(description="Its upper end.")
    values: tuple[float, ...]

    @property
    def interval(self) -> Interval | None:
        """Both ends."""
        return None if self.low is None or self.high is None else Interval(self.low, self.high)


class Recovery(BaseModel):
    """A summary's metric against its ceiling and its floor; null where there is nothing to divide by."""

    model_config = ConfigDict(frozen=True)

    recovery: float | None = Field(description="summary / full")
    low: float | None = Field(
        description="Lower end of the 95% interval of `recovery` (delta method); null for a single seed."
    )
    high: float | None = Field(description="Its upper end.")
    lift_recovery: float | None = Field(description="(summary - floor) / (full - floor)")


class Comparison(BaseModel):
    """The summary against a rival of its size."""

    model_config = ConfigDict(frozen=True)

    difference: float = Field(description="Mean of the summary less that of the rival.")
    disjoint: bool | None = Field(
        description="Whether the two 95% intervals have no value in common; null for a single seed."
    )
