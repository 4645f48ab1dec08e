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
_UNITS = {
    **EPOCHS,
    "minutes, or days such as 20260131": (13 * 10**6, 35 * 10**6),
    "times such as 20260131120000": (1994 * 10**10, 2037 * 10**10),
}
_NO_TIMES = [
    0,
    -1,
    2**31 - 1,
    *(second * 10**parts for second in (-62135596800, 253402214400, 253402300799) for parts in (0, 3, 6, 9)),
]
"""What stands for an unknown time: the start of 1970, the largest of 32 bits, the start of year 1, the end of 9999."""
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
    is_float = times.dtype.is_float()
    unknown = times.is_in(
        [float(value) if is_float else value for value in _NO_TIMES if is_float or abs(value) < LARGEST]
    )
    if low > 0 and high < 50 * low and not unknown.any():  # of one unit
        return
    counts = {unit: int(times.is_between(*bounds).sum()) for unit, bounds in _UNITS.items()}
    counts = {unit: count for unit, count in counts.items() if count}
    if sum(counts.values()) + unknown.sum() < _MOST * len(times):
        return
    if len(counts) > 1:
        told = " and ".join(f"{count:,} in {unit}" for unit, count in counts.items())
        _refuse(f"the timestamps have several units: {told}; convert them to one", high)
    if EPOCHS.keys() & counts.keys() and unknown.any():
        value = times.filter(unknown)[0]
        shown = "in year 1" if value < -1 else f"{value:g}" if value < 2**31 else "at the end of year 9999"
        told = f"{unknown.sum():,} of {len(times):,} timestamps are {shown}, which is no time"
        _refuse(f"{told}; remove these rows, or set data.columns.timestamp to none", value)


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
