"""Whether the timestamps of a log can order it."""

from collections.abc import Sequence

import polars as pl

from td3core.errors import LogProblem, UnreadableLogError
from td3core.interactions._dates import MOST_MICROSECONDS
from td3core.interactions._times import EPOCHS

LARGEST = 2**63
"""The first number that no column of integers can hold."""
_EXACT = 2**53
"""Integers up to this one are exact as 64-bit floats."""
_MOST = 0.9
"""Share of timestamps that must look like times since 1970 before others are taken for unknown ones or another unit."""


def check_times(times: pl.Series) -> None:
    """Refuse timestamps that were rounded, that have several units, or that are 0 or -1 among others.

    Raises:
        UnreadableLogError: They cannot order the interactions.
    """
    low, high = times.min(), times.max()
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return
    if times.dtype.is_float() and max(-low, high) > _EXACT:
        _refuse(
            "the timestamps are too large to be exact as floating-point numbers; write them as integers", high
        )
    if low > 0 and high < 100 * low:  # of one unit
        return
    counts = {unit: int(times.is_between(*bounds).sum()) for unit, bounds in EPOCHS.items()}
    counts = {unit: count for unit, count in counts.items() if count}
    unknown = (times == 0) | (times == -1)
    if sum(counts.values()) + unknown.sum() < _MOST * len(times):
        return
    if len(counts) > 1:
        told = " and ".join(f"{count:,} in {unit}" for unit, count in counts.items())
        _refuse(f"the timestamps have several units: {told}; convert them to one", high)
    if counts and unknown.any():
        told = f"{unknown.sum():,} of {len(times):,} timestamps are {times.filter(unknown)[0]:g}, which is no time"
        _refuse(f"{told}; remove these rows, or set data.columns.timestamp to none", times.filter(unknown)[0])


def in_one_unit(frames: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
    """Count the timestamps of all blocks in nanoseconds if those of some, which are of type Datetime, are.

    Raises:
        UnreadableLogError: Others are too far from 1970 for that.
    """
    of_nanoseconds = [frame.schema.get("timestamp") == pl.Datetime for frame in frames]
    if not any(of_nanoseconds):
        return list(frames)
    rest = pl.concat(
        [frame["timestamp"] for frame, fine in zip(frames, of_nanoseconds, strict=True) if not fine]
        or [pl.Series(dtype=pl.Int64)]
    )
    far = rest.filter(rest.abs() > MOST_MICROSECONDS)
    if len(far):
        _refuse(
            "some times are finer than a microsecond, and others too far from 1970 for nanoseconds", far[0]
        )
    return [
        frame.with_columns(pl.col("timestamp").to_physical() if fine else pl.col("timestamp") * 1000)
        for frame, fine in zip(frames, of_nanoseconds, strict=True)
    ]


def _refuse(reason: str, value: float) -> None:
    raise UnreadableLogError(
        reason, [LogProblem(reason.partition(";")[0], field="data.columns.timestamp", value=f"{value:.15g}")]
    )


def codes_of(times: pl.Series) -> tuple[pl.Series, int]:
    """Numbers from 0 for integer times, and how many there may be; `LARGEST` if the times are no integers."""
    first, last = times.min(), times.max()
    if times.dtype != pl.Int64 or not isinstance(first, int) or not isinstance(last, int):
        return times, LARGEST
    return times - first, last - first + 1
