"""Summary statistics of a log."""

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from td3core.interactions._log import InteractionLog


class LogProfile(BaseModel):
    """Size and shape of an interaction log."""

    model_config = ConfigDict(frozen=True, extra="allow")

    users: int = Field(description="Number of users.")
    items: int = Field(description="Number of items.")
    interactions: int = Field(description="Number of interactions.")
    density: float = Field(description="Interactions divided by users times items.")
    shortest_sequence: int = Field(description="Smallest number of interactions of a user.")
    median_sequence: float = Field(description="Median number of interactions of a user.")
    longest_sequence: int = Field(description="Largest number of interactions of a user.")
    first_timestamp: int | float | None = Field(
        None,
        description="Smallest timestamp, in the unit of the log; dates are in microseconds since 1970 UTC, "
        "or in nanoseconds where some are finer.",
    )
    last_timestamp: int | float | None = Field(
        None, description="Largest timestamp, in the same unit as `first_timestamp`."
    )


def profile_log(log: InteractionLog) -> LogProfile:
    """Count users, items and interactions, and measure sequences and time span."""
    lengths = np.sort(np.bincount(log.users.rows))
    users, items = len(lengths), len(log.items.ids)
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
