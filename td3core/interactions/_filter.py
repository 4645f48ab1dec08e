"""Which interactions are kept, and whether enough of them are left to distil."""

import polars as pl

from td3core.config import DataConfig
from td3core.errors import LogTooSmallError
from td3core.interactions._log import InteractionLog

MIN_USERS = 2
MIN_ITEMS = 2
MIN_SEQUENCE = 3
"""Leave-last-out takes a test and a validation interaction from every user and must leave one to train on."""


def filter_log(log: InteractionLog, data: DataConfig) -> InteractionLog:
    """Drop low ratings, then users and items with too few interactions.

    `single` counts users and items once, both on the same log, so a user may end up below the minimum because
    items were dropped; `iterated` repeats until nothing changes (the k-core). Either way, users that end up
    with fewer interactions than leave-last-out needs are dropped too.

    Raises:
        LogTooSmallError: if the log is too small before or after.
    """
    check_size(log)
    frame = log.frame
    if data.min_rating is not None:
        frame = frame.filter(pl.col("rating") >= data.min_rating)
    frame = _drop_rare(frame, data.min_user_interactions, data.min_item_interactions)
    if data.core_filter == "iterated":
        height = None
        while frame.height != height:
            height = frame.height
            frame = _drop_rare(frame, data.min_user_interactions, data.min_item_interactions)
    frame = _drop_rare(frame, MIN_SEQUENCE, 1)
    kept = InteractionLog(frame)
    if kept.n_users < MIN_USERS or kept.n_items < MIN_ITEMS:
        settings = [f"data.min_user_interactions {data.min_user_interactions}"]
        settings.append(f"data.min_item_interactions {data.min_item_interactions}")
        if data.min_rating is not None:
            settings.append(f"data.min_rating {data.min_rating:g}")
        raise LogTooSmallError(
            f"the filter leaves {_size(kept)} of {_size(log)}; at least {MIN_USERS} users with "
            f"{MIN_SEQUENCE} interactions each and {MIN_ITEMS} items are needed: lower "
            f"{' or '.join(settings)}, or send a larger log"
        )
    return kept


def check_size(log: InteractionLog) -> None:
    """Refuse a log that no setting could make large enough.

    Raises:
        LogTooSmallError: if the log is empty, or has too few users, items or interactions a user.
    """
    if not len(log):
        raise LogTooSmallError("the log holds no interactions")
    if log.n_users < MIN_USERS:
        raise LogTooSmallError(f"the log holds one user only ({_size(log)}); at least {MIN_USERS} are needed")
    if log.n_items < MIN_ITEMS:
        raise LogTooSmallError(f"the log holds one item only ({_size(log)}); at least {MIN_ITEMS} are needed")
    lengths = log.frame.group_by("user").len()["len"]
    long_enough = int((lengths >= MIN_SEQUENCE).sum())
    if long_enough < MIN_USERS:
        raise LogTooSmallError(
            f"the sequences are too short: {long_enough} of {len(lengths)} users have {MIN_SEQUENCE} or more "
            f"interactions, which leave-last-out needs; at least {MIN_USERS} must"
        )


def _drop_rare(frame: pl.DataFrame, min_user: int, min_item: int) -> pl.DataFrame:
    return frame.filter((pl.len().over("user") >= min_user) & (pl.len().over("item") >= min_item))


def _size(log: InteractionLog) -> str:
    return f"{len(log):,} interactions, {log.n_users:,} users, {log.n_items:,} items"
