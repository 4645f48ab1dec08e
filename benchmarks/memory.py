"""How much memory a piece of work needs above what the process held before."""

import ctypes
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

_EVERY_SECONDS = 0.002


@dataclass
class Peak:
    """Filled when the work is done."""

    bytes: int = 0
    """Above what was held before."""
    held: int = 0
    """Before: the interpreter, its libraries and the data."""


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Sample this process's resident memory while the block runs."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what was freed before does not count as held
    process = psutil.Process()
    before = process.memory_info().rss
    peak = Peak(held=before)
    done = threading.Event()

    def sample() -> None:
        while not done.wait(_EVERY_SECONDS):
            peak.bytes = max(peak.bytes, process.memory_info().rss - before)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()
