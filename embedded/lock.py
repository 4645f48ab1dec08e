"""One service a data directory: an advisory lock that the kernel gives back when its holder ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.errors import DataDirInUseError


@contextmanager
def exclusive(data_dir: Path) -> Iterator[None]:
    """Hold `data_dir`, made if it is not there, for this process alone.

    Raises:
        DataDirInUseError: Another process holds it; the error names that process.
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
