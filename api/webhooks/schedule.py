"""When a delivery is tried, and tried again."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

JITTER = 0.2
"""Longest part of a wait that is added to it, so that what failed at once is not tried again at once."""
LONGEST_WAIT = timedelta(days=1)
"""Longest time for which a receiver can ask not to be tried."""


def parse(text: str) -> tuple[timedelta, ...]:
    """Read a schedule: the seconds to wait before each try, separated by commas.

    Raises:
        ValueError: It is not one.
    """
    try:
        waits = [timedelta(seconds=float(part)) for part in text.split(",")]
    except (ValueError, OverflowError):
        waits = []
    if not waits or min(waits) < timedelta(0) or max(waits) > timedelta(days=30):
        raise ValueError("expected seconds separated by commas, such as 0,5,300, each at most 30 days")
    return tuple(waits)


def next_wait(
    schedule: Sequence[timedelta], failures: int, *, retry_after: timedelta | None = None
) -> timedelta | None:
    """Time until the next try after so many have failed; None if there is none.

    `wait = schedule[failures] * (1 + r)`, with `r` drawn from [0, JITTER); longer if the receiver has asked for that.
    """
    if failures >= len(schedule):
        return None
    wait = schedule[failures] * (1 + JITTER * random.random())
    return max(wait, min(retry_after or timedelta(0), LONGEST_WAIT))


def read_retry_after(value: str | None, *, at: datetime) -> timedelta | None:
    """Read a `Retry-After` header, a number of seconds or a date; None if it is neither."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return timedelta(seconds=min(int(value.strip()[:9]), LONGEST_WAIT.total_seconds()))
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return date.replace(tzinfo=date.tzinfo or UTC) - at
