"""An interaction log in memory."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True, eq=False)
class InteractionLog:
    """Who interacted with what, in the order of the file.

    `frame` holds `user` and `item` (String, as the client wrote them) and, where the log has them,
    `timestamp` (Int64 or Float64; calendar dates become microseconds since 1970 UTC, or nanoseconds where some are
    finer) and `rating` (Float64).
    A user may interact with an item again: repeat consumption is signal.
    """

    frame: pl.DataFrame
    repeats: int = 0
    """Rows that were left out because an earlier one has the same user, item and timestamp."""

    def __len__(self) -> int:
        return self.frame.height

    @property
    def n_users(self) -> int:
        """Distinct users."""
        return self.frame["user"].n_unique()

    @property
    def n_items(self) -> int:
        """Distinct items."""
        return self.frame["item"].n_unique()
