"""Filtering interactions, and checking that enough of them remain to distil."""

import numpy as np

from td3core.config import DataConfig
from td3core.errors import LogProblem, LogTooSmallError
from td3core.interactions._log import InteractionLog
from td3core.interactions._remaining import Remaining

MIN_USERS = 2
MIN_ITEMS = 2
MIN_SEQUENCE = 3
"""Minimum interactions of a user: leave-last-out holds out a test and a validation interaction and must leave one."""
MIN_LONGEST = 4
"""Minimum of the longest sequence: with two held out, one pair of consecutive items must remain to learn from."""


def select_rows(log: InteractionLog, data: DataConfig) -> InteractionLog:
    """Drop low ratings, then exact repeats, which can be done with the beginning of a log as well.

    A repeat has the user, item and timestamp of an earlier row. Without timestamps no row is one.
    """
    return _selected(log, data).log()


def filter_log(log: InteractionLog, data: DataConfig) -> InteractionLog:
    """Drop low ratings, exact repeats, then users and items with too few interactions.

    `single` counts users and items once on the same log, so that a user may end up below the minimum because items
    were dropped; `iterated` repeats until nothing changes (the k-core). In both cases, users with fewer interactions
    than leave-last-out needs are also dropped at the end.

    Raises:
        LogTooSmallError: The log is too small before or after filtering.
    """
    check_size(log)
    left = _selected(log, data)
    minima = data.min_user_interactions, data.min_item_interactions
    while left.drop_rare(*minima) and data.core_filter == "iterated":
        pass
    left.drop_short(MIN_SEQUENCE)
    kept = left.log()
    if left.n_users < MIN_USERS or left.n_items < MIN_ITEMS or left.longest < MIN_LONGEST:
        repeats = sum(dropped.interactions for dropped in kept.dropped if dropped.filter == "repeats")
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
    if not len(log):
        raise LogTooSmallError("the log has no interactions")
    lengths = np.bincount(log.users.rows)
    if len(lengths) < MIN_USERS:
        raise LogTooSmallError(f"the log has only one user ({_size(log)}); expected at least {MIN_USERS}")
    if len(log.items.ids) < MIN_ITEMS:
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


def _selected(log: InteractionLog, data: DataConfig) -> Remaining:
    left = Remaining(log)
    if data.min_rating is not None:
        left.keep("min_rating", (log.frame["rating"] >= data.min_rating).fill_null(False).to_numpy())
    if data.repeats == "drop" and "timestamp" in log.frame.columns:
        left.drop_repeats(log.frame["timestamp"])
    return left


def _size(log: InteractionLog) -> str:
    counts = {"interaction": len(log), "user": len(log.users.ids), "item": len(log.items.ids)}
    return ", ".join(f"{count:,} {thing}{'' if count == 1 else 's'}" for thing, count in counts.items())
