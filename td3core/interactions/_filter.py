"""Which interactions are kept, and whether enough of them are left to distil."""

import numpy as np
import numpy.typing as npt
import polars as pl

from td3core.config import DataConfig
from td3core.errors import LogTooSmallError
from td3core.interactions._log import InteractionLog
from td3core.interactions._numbering import IntArray, number_ids

BoolArray = npt.NDArray[np.bool_]

MIN_USERS = 2
MIN_ITEMS = 2
MIN_SEQUENCE = 3
"""Leave-last-out takes a test and a validation interaction from every user and must leave one to train on."""
MIN_LONGEST = 4
"""Some user must be left with two: what follows what is all that there is to learn."""


def filter_log(log: InteractionLog, data: DataConfig) -> InteractionLog:
    """Drop low ratings, then users and items with too few interactions.

    `single` counts users and items once, both on the same log, so a user may end up below the minimum because
    items were dropped; `iterated` repeats until nothing changes (the k-core). Either way, users that end up
    with fewer interactions than leave-last-out needs are dropped too.

    Raises:
        LogTooSmallError: if the log is too small before or after.
    """
    users, items = _numbers(log)
    _check_size(log, users, items)
    keep = np.ones(len(log), dtype=np.bool_)
    if data.min_rating is not None:
        keep = (log.frame["rating"] >= data.min_rating).fill_null(False).to_numpy()
    minima = data.min_user_interactions, data.min_item_interactions
    keep, before = _frequent(users, items, keep, *minima), keep
    while data.core_filter == "iterated" and not np.array_equal(keep, before):
        keep, before = _frequent(users, items, keep, *minima), keep
    keep = _frequent(users, items, keep, MIN_SEQUENCE, 1)
    kept = InteractionLog(log.frame.filter(pl.Series(keep)))
    longest = int(np.bincount(users[keep], minlength=1).max())
    if _distinct(users[keep]) < MIN_USERS or _distinct(items[keep]) < MIN_ITEMS or longest < MIN_LONGEST:
        settings = [f"data.min_user_interactions {data.min_user_interactions}"]
        settings.append(f"data.min_item_interactions {data.min_item_interactions}")
        if data.min_rating is not None:
            settings.append(f"data.min_rating {data.min_rating:g}")
        raise LogTooSmallError(
            f"the filter leaves {_size(kept)} of {_size(log)}; at least {MIN_USERS} users with "
            f"{MIN_SEQUENCE} interactions each, one of them with {MIN_LONGEST}, and {MIN_ITEMS} items are needed: "
            f"lower {' or '.join(settings)}, or send a larger log"
        )
    return kept


def check_size(log: InteractionLog) -> None:
    """Refuse a log that no setting could make large enough.

    Raises:
        LogTooSmallError: if the log is empty, or has too few users, items or interactions a user.
    """
    _check_size(log, *_numbers(log))


def _check_size(log: InteractionLog, users: IntArray, items: IntArray) -> None:
    if not len(log):
        raise LogTooSmallError("the log holds no interactions")
    lengths = np.bincount(users)
    if len(lengths) < MIN_USERS:
        raise LogTooSmallError(f"the log holds one user only ({_size(log)}); at least {MIN_USERS} are needed")
    if items.max() + 1 < MIN_ITEMS:
        raise LogTooSmallError(f"the log holds one item only ({_size(log)}); at least {MIN_ITEMS} are needed")
    long_enough = int((lengths >= MIN_SEQUENCE).sum())
    if long_enough < MIN_USERS:
        raise LogTooSmallError(
            f"the sequences are too short: {long_enough} of {len(lengths)} users have {MIN_SEQUENCE} or more "
            f"interactions, which leave-last-out needs; at least {MIN_USERS} must"
        )
    if lengths.max() < MIN_LONGEST:
        raise LogTooSmallError(
            f"the sequences are too short: no user has {MIN_LONGEST} or more interactions; at least one must, so that "
            "when leave-last-out has taken two there is an item that follows another"
        )


def _numbers(log: InteractionLog) -> tuple[IntArray, IntArray]:
    return number_ids(log.frame["user"])[1], number_ids(log.frame["item"])[1]


def _distinct(numbers: IntArray) -> int:
    return int(np.count_nonzero(np.bincount(numbers)))


def _frequent(users: IntArray, items: IntArray, keep: BoolArray, min_user: int, min_item: int) -> BoolArray:
    """Which of the kept interactions have a user and an item that occur often enough among them."""
    of_user = np.bincount(users[keep], minlength=users.max() + 1)
    of_item = np.bincount(items[keep], minlength=items.max() + 1)
    return keep & (of_user[users] >= min_user) & (of_item[items] >= min_item)


def _size(log: InteractionLog) -> str:
    return f"{len(log):,} interactions, {log.n_users:,} users, {log.n_items:,} items"
