"""What is left of a log while it is filtered, and what each filter has dropped."""

import numpy as np
import numpy.typing as npt
import polars as pl

from td3core.interactions._log import InteractionLog
from td3core.interactions._numbering import IntArray
from td3core.interactions._order import LARGEST, codes_of
from td3core.results import DroppedByFilter

BoolArray = npt.NDArray[np.bool_]


class Remaining:
    """What the filters have left of a log so far."""

    def __init__(self, log: InteractionLog) -> None:
        self._log = log
        self._rows = np.ones(len(log), dtype=np.bool_)
        """Which rows of the log are left."""
        self._users, self._items = log.users.rows, log.items.rows
        """User and item of each row that is left."""
        self._of_user, self._of_item = np.bincount(self._users), np.bincount(self._items)
        """Rows left of each user and of each item of the log."""
        self._dropped: dict[str, npt.NDArray[np.int64]] = {}
        """Users, items and interactions that each filter dropped."""

    @property
    def n_users(self) -> int:
        """Users of whom something is left."""
        return int(np.count_nonzero(self._of_user))

    @property
    def n_items(self) -> int:
        """Items of which something is left."""
        return int(np.count_nonzero(self._of_item))

    @property
    def longest(self) -> int:
        """Largest number of interactions of a user."""
        return int(self._of_user.max(initial=0))

    def keep(self, name: str, mask: BoolArray) -> None:
        """Keep those of the rows left for which `mask` is true, in the name of a filter."""
        before = self._counts()
        self._rows[self._rows] = mask
        self._users, self._items = self._users[mask], self._items[mask]
        self._of_user = np.bincount(self._users, minlength=len(self._of_user))
        self._of_item = np.bincount(self._items, minlength=len(self._of_item))
        self._dropped[name] = self._dropped.get(name, 0) + before - self._counts()

    def drop_repeats(self, times: pl.Series) -> None:
        """Drop rows that have the user, item and timestamp of an earlier one."""
        pairs = pl.Series(self._users * len(self._of_item) + self._items)
        left = times.filter(pl.Series(self._rows))
        codes, span = codes_of(left)
        if len(left) and span * len(self._of_user) * len(self._of_item) < LARGEST:
            first = (pairs * span + codes).is_first_distinct()
            if not first.all():
                self.keep("repeats", first.to_numpy())
            return
        if pairs.n_unique() == len(pairs):
            return
        again = pairs.is_duplicated()
        rows = pl.DataFrame({"pair": pairs, "time": left}).filter(again)
        mask = np.ones(len(pairs), dtype=np.bool_)
        mask[again.to_numpy()] = rows.select(pl.struct(pl.all()).is_first_distinct()).to_series().to_numpy()
        self.keep("repeats", mask)

    def drop_rare(self, min_user: int, min_item: int) -> bool:
        """Drop users and items that now have fewer interactions, and tell whether there were any."""
        rare_users, rare_items = _rare(self._of_user, min_user), _rare(self._of_item, min_item)
        if rare_users.any():
            self.keep("min_user_interactions", ~rare_users[self._users])
        if rare_items.any():
            self.keep("min_item_interactions", ~rare_items[self._items])
        return bool(rare_users.any() or rare_items.any())

    def drop_short(self, shortest: int) -> None:
        """Drop users who have fewer interactions than leave-last-out needs."""
        short = _rare(self._of_user, shortest)
        if short.any():
            self.keep("too_short", ~short[self._users])

    def log(self) -> InteractionLog:
        """The log of the rows that are left."""
        dropped = [
            DroppedByFilter(
                filter=name,
                users=int(counts[0]),
                items=int(counts[1]),
                interactions=int(counts[2]),
                share=float(counts[2] / len(self._rows)),
            )
            for name, counts in self._dropped.items()
            if counts[2]
        ]
        return InteractionLog(
            self._log.frame.filter(pl.Series(self._rows)),
            self._log.layout,
            dropped,
            (self._log.users.of(self._users), self._log.items.of(self._items)),
        )

    def _counts(self) -> npt.NDArray[np.int64]:
        return np.array([self.n_users, self.n_items, len(self._users)])


def _rare(counts: IntArray, minimum: int) -> BoolArray:
    return (counts > 0) & (counts < minimum)
