"""An interaction log in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from td3core.interactions._layout import FileLayout
from td3core.interactions._numbering import Numbered, number_ids
from td3core.results import DroppedByFilter


@dataclass(frozen=True, eq=False)
class InteractionLog:
    """Who interacted with what, in the order of the file.

    `frame` holds `user` and `item` (String, as the client wrote them) and, where the log has them,
    `timestamp` (Int64 or Float64; calendar dates become microseconds since 1970 UTC, or nanoseconds where some are
    finer) and `rating` (Float64).
    A user may interact with an item again: repeat consumption is signal.
    """

    frame: pl.DataFrame
    layout: FileLayout | None = None
    """How the file was read that the log is from; None if it is from none."""
    dropped: Sequence[DroppedByFilter] = ()
    """What the filters dropped of the log that this one is left of."""
    numbered: tuple[Numbered, Numbered] | None = None
    """Users and items, if they have been numbered already."""

    def __len__(self) -> int:
        return self.frame.height

    @cached_property
    def users(self) -> Numbered:
        """The users, and which of them each interaction is of."""
        return self.numbered[0] if self.numbered else number_ids(self.frame["user"])

    @cached_property
    def items(self) -> Numbered:
        """The items, and which of them each interaction is with."""
        return self.numbered[1] if self.numbered else number_ids(self.frame["item"])
