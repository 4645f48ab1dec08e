"""What is to be said of a log that was read, but may not be what its owner wants."""

from collections.abc import Iterator

import numpy as np

from td3core.config import DataConfig
from td3core.interactions._log import InteractionLog
from td3core.interactions._times import looks_like_a_time
from td3core.interactions._values import is_null_id
from td3core.results import ReadingCode, ReadingReport, ReadingWarning

_MANY = 0.1
"""Share of interactions from which on ties and repeat consumption are warned of."""
_MOST = 0.5
_MUCH = 0.01
"""Share of ties from which on it matters in which order a user's rows stand."""
_FALLS = 9
"""How many times as often a user's rows must step back in time as forth to stand newest first."""
_LOOKED_AT = 1 << 18


def warnings_of(report: ReadingReport, log: InteractionLog, data: DataConfig) -> Iterator[ReadingWarning]:
    """Yield the warnings, the gravest first."""
    for code, detail in _found(report, log, data):
        yield ReadingWarning(code=code, detail=detail)


def _found(report: ReadingReport, log: InteractionLog, data: DataConfig) -> Iterator[tuple[ReadingCode, str]]:
    if report.kept_share < _MOST:
        shares = ", ".join(f"{dropped.filter} {dropped.share:.1%}" for dropped in report.dropped)
        yield (
            ReadingCode.FILTERS_DROP_MOST,
            f"The filters dropped {1 - report.kept_share:.1%} of the interactions ({shares}): what is distilled is not "
            "the log that was sent, unless data is set to keep more.",
        )
    repeats = sum(dropped.interactions for dropped in report.dropped if dropped.filter == "repeats")
    if repeats:
        yield (
            ReadingCode.REPEATS_DROPPED,
            f"{repeats:,} rows ({repeats / report.interactions:.1%}) were dropped that have the user, item and "
            "timestamp of an earlier one; set data.repeats to keep if they are interactions of their own.",
        )
    yield from _of_rows(report)
    if data.null_ids == "keep" and (is_null_id(log.users.ids).any() or is_null_id(log.items.ids).any()):
        yield (
            ReadingCode.NULL_IDS_KEPT,
            "Some ids mark a missing value, and were kept as data.null_ids says: all of them are one user or item.",
        )
    yield from _of_times(report, log)
    if report.repeat_consumption >= _MANY and data.exclude_seen:
        yield (
            ReadingCode.REPEAT_CONSUMPTION,
            f"{report.repeat_consumption:.1%} of the interactions are with an item that the user has met before, but "
            "data.exclude_seen leaves all such items out of every ranking, except the one to be predicted: set it to "
            "false if people come back to items.",
        )


def _of_rows(report: ReadingReport) -> Iterator[tuple[ReadingCode, str]]:
    if report.null_ids_left_out:
        yield (
            ReadingCode.NULL_IDS_DROPPED,
            f"{report.null_ids_left_out:,} rows without a user or an item were left out, as data.null_ids says.",
        )
    if report.headers_left_out:
        yield (
            ReadingCode.HEADER_REPEATED,
            f"{report.headers_left_out:,} rows were left out that repeat the header: the file seems to be several ones "
            "in a row, which may overlap.",
        )


def _of_times(report: ReadingReport, log: InteractionLog) -> Iterator[tuple[ReadingCode, str]]:
    if report.ties is None:
        yield (
            ReadingCode.FILE_ORDER,
            "The log has no timestamps, so that the order of the file is taken for that of time: its last rows of a "
            "user are predicted.",
        )
    elif report.ties >= _MANY:
        yield (
            ReadingCode.MANY_TIES,
            f"{report.ties:.1%} of the interactions have the time of another one of their user: among these the order "
            "of the file counts.",
        )
    if report.ties is not None and report.ties >= _MUCH and _is_newest_first(log):
        yield (
            ReadingCode.NEWEST_FIRST,
            "The rows of a user stand newest first, and those with equal times stay in the order of the file, which is "
            "the reverse of what happened: sort the log oldest first.",
        )
    times = [name for name in report.passed_over if looks_like_a_time(name)]
    if times:
        used = report.columns.get("timestamp")
        yield (
            ReadingCode.TIMES_PASSED_OVER,
            f"{', '.join(times[:10])} may be times as well, but {used or 'the order of the file'} orders the log; "
            "data.columns.timestamp names another column.",
        )


def _is_newest_first(log: InteractionLog) -> bool:
    """Whether times fall from row to row of a user, judged by the first users."""
    lengths = np.bincount(log.users.rows)
    few = max(1, int(np.searchsorted(lengths.cumsum(), _LOOKED_AT, side="right")))
    rows = np.flatnonzero(log.users.rows < few)
    rows = rows[np.argsort(log.users.rows[rows], kind="stable")]
    users, times = log.users.rows[rows], log.frame["timestamp"].gather(rows).to_numpy()
    same = users[1:] == users[:-1]
    rises, falls = same & (times[1:] > times[:-1]), same & (times[1:] < times[:-1])
    return int(falls.sum()) > _FALLS * int(rises.sum())
