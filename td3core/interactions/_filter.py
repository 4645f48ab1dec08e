"""Filtering interactions, and checking that enough of them remain to distil."""

import numpy as np
import numpy.typing as npt
import polars as pl

from td3core.config import DataConfig
from td3core.errors import LogProblem, LogTooSmallError
from td3core.interactions._log import InteractionLog
from td3core.interactions._numbering import IntArray, number_ids

BoolArray = npt.NDArray[np.bool_]

MIN_USERS = 2
MIN_ITEMS = 2
MIN_SEQUENCE = 3
"""Minimum interactions of a user: leave-last-out holds out a test and a validation interaction and must leave one."""
MIN_LONGEST = 4
"""Minimum of the longest sequence: with two held out, one pair of consecutive items must remain to learn from."""


def filter_log(log: InteractionLog, data: DataConfig) -> InteractionLog:
    """Drop low ratings, exact repeats, then users and items with too few interactions.

    A repeat has the user, item and timestamp of an earlier row. Without timestamps no row is one.

    `single` counts users and items once on the same log, so that a user may end up below the minimum because items
    were dropped; `iterated` repeats until nothing changes (the k-core). In both cases, users with fewer interactions
    than leave-last-out needs are also dropped at the end.

    Raises:
        LogTooSmallError: The log is too small before or after filtering.
    """
    users, items = _numbers(log)
    _check_size(log, users, items)
    keep = np.ones(len(log), dtype=np.bool_)
    if data.min_rating is not None:
        keep = (log.frame["rating"] >= data.min_rating).fill_null(False).to_numpy()
    first = _first_of_repeats(log, users, items, keep) if data.repeats == "drop" else keep
    repeats = int(keep.sum() - first.sum())
    keep = first
    minima = data.min_user_interactions, data.min_item_interactions
    keep, before = _frequent(users, items, keep, *minima), keep
    while data.core_filter == "iterated" and not np.array_equal(keep, before):
        keep, before = _frequent(users, items, keep, *minima), keep
    keep = _frequent(users, items, keep, MIN_SEQUENCE, 1)
    kept = InteractionLog(log.frame.filter(pl.Series(keep)), repeats)
    longest = int(np.bincount(users[keep], minlength=1).max())
    if _distinct(users[keep]) < MIN_USERS or _distinct(items[keep]) < MIN_ITEMS or longest < MIN_LONGEST:
        settings = {
            "data.min_user_interactions": str(data.min_user_interactions),
            "data.min_item_interactions": str(data.min_item_interactions),
        }
        if data.min_rating is not None:
            settings["data.min_rating"] = f"{data.min_rating:g}"
        dropped = f", {repeats:,} of them exact repeats (data.repeats)" if repeats else ""
        lower = " or ".join(f"{field} {value}" for field, value in settings.items())
        raise LogTooSmallError(
            f"too little remains after filtering: {_size(kept)} of {_size(log)}{dropped}; expected at least "
            f"{MIN_USERS} users with {MIN_SEQUENCE} interactions each, one of them with {MIN_LONGEST}, and {MIN_ITEMS} "
            f"items: lower {lower}, or send a larger log",
            [
                LogProblem("too little remains after filtering", field=field, value=value)
                for field, value in settings.items()
            ],
        )
    return kept


def check_size(log: InteractionLog) -> None:
    """Reject a log that is too small whatever the filter settings are.

    Raises:
        LogTooSmallError: The log is empty, or has too few users, items or interactions per user.
    """
    _check_size(log, *_numbers(log))


def _check_size(log: InteractionLog, users: IntArray, items: IntArray) -> None:
    if not len(log):
        raise LogTooSmallError("the log has no interactions")
    lengths = np.bincount(users)
    if len(lengths) < MIN_USERS:
        raise LogTooSmallError(f"the log has only one user ({_size(log)}); expected at least {MIN_USERS}")
    if items.max() + 1 < MIN_ITEMS:
        raise LogTooSmallError(f"the log has only one item ({_size(log)}); expected at least {MIN_ITEMS}")
    long_enough = int((lengths >= MIN_SEQUENCE).sum())
    if long_enough < MIN_USERS:
        raise LogTooSmallError(
            f"the sequences are too short: {long_enough} of {len(lengths)} users have the {MIN_SEQUENCE} interactions "
            f"that leave-last-out needs; expected at least {MIN_USERS} such users"
        )
    if lengths.max() < MIN_LONGEST:
        raise LogTooSmallError(
            f"the sequences are too short: no user has {MIN_LONGEST} or more interactions; expected at least one such "
            "user, so that two interactions remain when leave-last-out has held out two"
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


def _first_of_repeats(log: InteractionLog, users: IntArray, items: IntArray, keep: BoolArray) -> BoolArray:
    """Which of the kept interactions have no earlier one with the same user, item and timestamp."""
    if "timestamp" not in log.frame.columns:
        return keep
    pair = users[keep] * (items.max() + 1) + items[keep]
    rows = pl.DataFrame({"pair": pair, "timestamp": log.frame["timestamp"].filter(pl.Series(keep))})
    first = keep.copy()
    first[keep] = rows.select(pl.struct(pl.all()).is_first_distinct()).to_series().to_numpy()
    return first


def _size(log: InteractionLog) -> str:
    counts = {"interaction": len(log), "user": log.n_users, "item": log.n_items}
    return ", ".join(f"{count:,} {thing}{'' if count == 1 else 's'}" for thing, count in counts.items())
