"""What is reported of a log that was read."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from td3core.config import DataConfig
from td3core.interactions._log import InteractionLog
from td3core.interactions._order import LARGEST, codes_of
from td3core.interactions._problems import shown
from td3core.interactions._profile import LogProfile
from td3core.interactions._times import EPOCHS
from td3core.interactions._warnings import warnings_of
from td3core.results import ReadingReport

_MOST_COLUMNS = 50
_SECOND = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def report_reading(log: InteractionLog, given: LogProfile, data: DataConfig, *, whole: bool) -> ReadingReport:
    """Report how a log was read.

    Args:
        log: What the filters have left of it.
        given: The profile of what they were given.
        data: How it was read.
        whole: Whether it was read to its end.

    Raises:
        ValueError: The log was not read from a file.
    """
    layout = log.layout
    if layout is None:
        raise ValueError("only a log that was read from a file can be reported on")
    columns = layout.columns.by_role() if layout.columns else {}
    passed_over = layout.columns.passed_over[:_MOST_COLUMNS] if layout.columns else ()
    unit, first, last = _times(given, layout.date_unit)
    report = ReadingReport(
        whole=whole,
        format=layout.format,
        compression=layout.compression,
        encoding=layout.encoding,
        layout=data.layout,
        separator=layout.separator,
        quoting=layout.quoting,
        header=layout.header,
        columns={role: shown(name) for role, name in columns.items()},
        passed_over=tuple(shown(name) for name in passed_over),
        time_unit=unit,
        first_time=first,
        last_time=last,
        users=given.users,
        items=given.items,
        interactions=given.interactions,
        shortest_sequence=given.shortest_sequence,
        longest_sequence=given.longest_sequence,
        headers_left_out=layout.headers_left_out,
        null_ids_left_out=layout.null_ids_left_out,
        dropped=tuple(log.dropped),
        kept_share=len(log) / given.interactions if given.interactions else 1.0,
        ties=_ties(log) if "timestamp" in log.frame.columns else None,
        repeat_consumption=_repeat_consumption(log),
    )
    return report.model_copy(update={"warnings": tuple(warnings_of(report, log, data))})


def _times(given: LogProfile, date_unit: str | None) -> tuple[str | None, datetime | None, datetime | None]:
    """The unit of the timestamps, and the first and the last as times."""
    first, last = given.first_timestamp, given.last_timestamp
    if first is None or last is None:
        return None, None, None
    if date_unit is not None:
        size = _SECOND["nanoseconds" if date_unit == "ns" else "microseconds"]
        return "dates", _moment(first, size), _moment(last, size)
    for unit, (low, high) in EPOCHS.items():
        if low <= first and last < high:
            return unit, _moment(first, _SECOND[unit]), _moment(last, _SECOND[unit])
    return "other", None, None


def _moment(time: float, size: int) -> datetime | None:
    """The time after so many parts of a second since 1970; None if a calendar has no such year."""
    try:
        return _EPOCH + timedelta(microseconds=time * 10**6 // size if size > 1 else time * 10**6)
    except OverflowError:
        return None


def _ties(log: InteractionLog) -> float:
    """Share of the interactions that have the time of another one of their user."""
    if not len(log):
        return 0.0
    users, times = log.users.rows, log.frame["timestamp"]
    codes, span = codes_of(times)
    if span * len(log.users.ids) >= LARGEST:
        codes = times.rank("dense").cast(pl.Int64) - 1
        span = len(log)
    keys = pl.Series(users * span + codes.to_numpy()).sort().to_numpy()
    equal = np.concatenate([[False], keys[1:] == keys[:-1], [False]])
    return float((equal[1:] | equal[:-1]).sum() / len(keys))


def _repeat_consumption(log: InteractionLog) -> float:
    """Share of the interactions with an item that the user has met before."""
    if not len(log):
        return 0.0
    pairs = pl.Series(log.users.rows * len(log.items.ids) + log.items.rows)
    return 1 - pairs.n_unique() / len(pairs)
