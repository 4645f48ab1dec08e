"""Figures over seeds, and what they say of a summary."""

from typing import NamedTuple

from pydantic import Field

from td3core.results.base import Result


class Interval(NamedTuple):
    """Where the value lies with 95% confidence."""

    low: float
    high: float

    def disjoint(self, other: "Interval") -> bool:
        """Tell whether no value lies in both."""
        return self.high < other.low or other.high < self.low


class Spread(Result):
    """A figure over seeds."""

    mean: float = Field(description="Mean over the seeds.")
    std: float | None = Field(default=None, description="Sample standard deviation; null for a single seed.")
    low: float | None = Field(
        default=None, description="Lower end of Student's 95% interval of the mean; null for a single seed."
    )
    high: float | None = Field(default=None, description="Upper end of that interval.")
    values: tuple[float, ...] = Field(description="The figure of each seed.")

    @property
    def interval(self) -> Interval | None:
        """Both ends."""
        return None if self.low is None or self.high is None else Interval(self.low, self.high)


class Recovery(Result):
    """A summary's metric against its ceiling and its floor; null where there is nothing to divide by."""

    recovery: float | None = Field(description="summary / full, of the means")
    low: float | None = Field(
        default=None,
        description="Lower end of the 95% interval of `recovery` (delta method); null for a single seed.",
    )
    high: float | None = Field(default=None, description="Upper end of that interval.")
    lift_recovery: float | None = Field(
        default=None, description="(summary - floor) / (full - floor); null without a floor."
    )


class Comparison(Result):
    """The summary against a rival of its size."""

    difference: float = Field(description="Mean of the summary less that of the rival.")
    disjoint: bool | None = Field(
        description="Whether the two 95% intervals have no value in common; null for a single seed."
    )
