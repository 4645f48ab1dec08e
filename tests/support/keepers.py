"""Keepers in threads of the test process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from api.settings import Settings
from worker.keeper import keep


@contextmanager
def keepers(settings: Settings, number: int = 1) -> Iterator[None]:
    """Run this many keepers until the block ends."""
    stop = threading.Event()
    threads = [threading.Thread(target=keep, args=(settings, stop)) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def brisk(settings: Settings) -> Settings:
    """The same, with a keeper that looks twenty times a second."""
    return settings.model_copy(update={"sweep_seconds": 0.05})
