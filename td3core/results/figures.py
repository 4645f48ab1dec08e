"""Figures over seeds and users, and what they say of a summary."""

from typing import Literal, NamedTuple

from pydantic import Field

from td3core.results.base import Result


class Interval(NamedTuple):
    """Where the value lies with 95% confidence."""

    low: float
    high: float


IntervalsOver = Literal["seeds", "seeds and users"]
"""What intervals allow for: that other seeds give other learners, and that other users are predicted otherwise."""


class Spread(Result):
    """A figure over seeds; of a ranking metric, over the users, too."""

    mean: float = Field(description="Mean over the seeds.")
    std: float | None = Field(default=None, description="Sample standard deviation; null for a single seed.")
    low: float | None = Field(
        default=None,
        description="Lower end of the 95% interval of the mean. Of a ranking metric it is over seeds and users, as "
        "`intervals` says, and over users alone for a single seed; otherwise it is Student's over the seeds, and null "
        "for a single one.",
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
        description="Lower end of the 95% interval of `recovery`, over seeds and the same users for both; null where "
        "it has no end.",
    )
    high: float | None = Field(default=None, description="Upper end of that interval.")
    lift_recovery: float | None = Field(
        default=None, description="(summary - floor) / (full - floor); null without a floor."
    )
    lift_low: float | None = Field(
        default=None,
        description="Lower end of the 95% interval of `lift_recovery`; null where it has no end.",
    )
    lift_high: float | None = Field(default=None, description="Upper end of that interval.")
    teacher_recovery: float | None = Field(
        default=None,
        description="summary / teacher: of the one learner that labels the summary, which took over the ensemble where "
        "the job has `teacher.members`; `recovery` is of the mean single training. Null without the source `teacher`.",
    )
    teacher_low: float | None = Field(
        default=None,
        description="Lower end of the 95% interval of `teacher_recovery`; null where it has no end.",
    )
    teacher_high: float | None = Field(default=None, description="Upper end of that interval.")


class Comparison(Result):
    """The summary against a rival of its size."""

    difference: float = Field(description="Mean of the summary less that of the rival.")
    low: float | None = Field(
        default=None,
        description="Lower end of the 95% interval of the difference, over seeds and the same users for both; null "
        "where `intervals` is `seeds`.",
    )
    high: float | None = Field(default=None, description="Upper end of that interval.")
    disjoint: bool | None = Field(
        description="Whether the two are apart: whether zero lies outside that interval. Where `intervals` is `seeds`, "
        "whether the intervals of the two have no value in common; null for a single seed."
    )
