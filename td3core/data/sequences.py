"""Item sequences in time order, and the leave-last-out split."""

import operator
from dataclasses import dataclass, replace
from typing import Literal, SupportsIndex

import numpy as np
import numpy.typing as npt
import polars as pl

from td3core.errors import LogTooSmallError
from td3core.interactions import InteractionLog

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Sequences:
    """One item sequence a user, end to end in one array.

    The sequence of user `u` is `items[offsets[u]:offsets[u + 1]]`. Items are rows 0 to n_items - 1 of
    `item_ids`; there is no padding item in the data.
    """

    items: IntArray
    offsets: IntArray
    item_ids: pl.Series
    user_ids: pl.Series

    @property
    def n_users(self) -> int:
        """Users, including any whose sequence is empty."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Items of the vocabulary, whether or not they occur here."""
        return len(self.item_ids)

    @property
    def lengths(self) -> IntArray:
        """Interactions of each user."""
        return np.diff(self.offsets)

    def of(self, user: SupportsIndex) -> IntArray:
        """The item rows of one user, earliest first."""
        return self.items[self.offsets[user] : self.offsets[operator.index(user) + 1]]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Leave-last-out: of every user the last item tests, the one before validates, the rest trains."""

    train: Sequences
    valid: IntArray
    test: IntArray

    def history(self, split: Literal["valid", "test"]) -> Sequences:
        """What may be seen when that target is predicted: all interactions before it, and nothing after."""
        if split == "valid":
            return self.train
        train = self.train
        return replace(
            train,
            items=np.insert(train.items, train.offsets[1:], self.valid),
            offsets=train.offsets + np.arange(train.n_users + 1),
        )


def build_sequences(log: InteractionLog) -> Sequences:
    """Order every user's interactions by time, ties and logs without timestamps by file order.

    Users and items are numbered by first appearance in the log, so the result depends on the log alone.
    """
    (user_ids, users), (item_ids, items) = log.users, log.items
    if "timestamp" in log.frame.columns:
        order = np.lexsort((log.frame["timestamp"].to_numpy(), users))
    else:
        order = np.argsort(users, kind="stable")
    offsets = np.zeros(len(user_ids) + 1, dtype=np.int64)
    np.cumsum(np.bincount(users, minlength=len(user_ids)), out=offsets[1:])
    return Sequences(items=items[order], offsets=offsets, item_ids=item_ids, user_ids=user_ids)


def leave_last_out(sequences: Sequences) -> Split:
    """Hold out the last two interactions of every user.

    Raises:
        LogTooSmallError: if a user has fewer than three interactions.
    """
    shortest = int(sequences.lengths.min(initial=3))
    if shortest < 3:
        raise LogTooSmallError(
            f"leave-last-out needs at least 3 interactions of every user, but one user has {shortest}"
        )
    ends = sequences.offsets[1:]
    held_out = np.zeros(len(sequences.items), dtype=np.bool_)
    held_out[ends - 1] = held_out[ends - 2] = True
    train = replace(
        sequences,
        items=sequences.items[~held_out],
        offsets=sequences.offsets - 2 * np.arange(sequences.n_users + 1),
    )
    return Split(train=train, valid=sequences.items[ends - 2], test=sequences.items[ends - 1])


def popularity(train: Sequences) -> IntArray:
    """Interactions of each item."""
    return np.bincount(train.items, minlength=train.n_items).astype(np.int64)
