"""What a log looks like in a few numbers."""

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from td3core.interactions._log import InteractionLog
from td3core.interactions._numbering import number_ids


class LogProfile(BaseModel):
    """Size and shape of an interaction log."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    users: int
    items: int
    interactions: int
    density: float = Field(description="Interactions divided by users times items.")
    shortest_sequence: int
    median_sequence: float
    longest_sequence: int
    first_timestamp: int | float | None = Field(
        None, description="In the log's own unit; dates as microseconds since 1970 UTC."
    )
    last_timestamp: int | float | None = None


def profile_log(log: InteractionLog) -> LogProfile:
    """Count users, items and interactions, and measure sequences and time span."""
    lengths = np.sort(np.bincount(number_ids(log.frame["user"])[1]))
    users, items = len(lengths), log.n_items
    first = last = None
    if "timestamp" in log.frame.columns and len(log):
        first, last = log.frame.select(
            first=log.frame["timestamp"].min(), last=log.frame["timestamp"].max()
        ).row(0)
    return LogProfile(
        users=users,
        items=items,
        interactions=len(log),
        density=len(log) / (users * items) if len(log) else 0.0,
        shortest_sequence=int(lengths[0]) if users else 0,
        median_sequence=float((lengths[(users - 1) // 2] + lengths[users // 2]) / 2) if users else 0.0,
        longest_sequence=int(lengths[-1]) if users else 0,
        first_timestamp=first,
        last_timestamp=last,
    )
