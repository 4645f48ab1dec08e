"""Waiting for what other threads and processes do."""

import time
from collections.abc import Callable


def wait_until(true: Callable[[], bool], *, seconds: float = 10) -> None:
    """Return when it is `true`, and fail when it has not become so in time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)
