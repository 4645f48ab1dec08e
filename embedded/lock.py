"""Locking the data directory for one service, with an advisory lock that the kernel releases when the process ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.errors import DataDirInUseError


@contextmanager
def exclusive(data_dir: Path) -> Iterator[None]:
    """Lock `data_dir` for this process until the block ends, and create it if it does not exist.

    Raises:
        DataDirInUseError: Another process has locked it; the error names that process.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "service.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise DataDirInUseError(data_dir, holder=lock.read().strip() or "unknown") from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
