"""Locking the data directory for one service, with an advisory lock that the kernel releases when the process ends."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.errors import DataDirInUseError, DataDirUnusableError


@contextmanager
def exclusive(data_dir: Path) -> Iterator[None]:
    """Lock `data_dir` for this process until the block ends; create it, and close it to other users.

    Raises:
        DataDirUnusableError: It cannot be created or written to.
        DataDirInUseError: Another process has locked it; the error names that process.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        data_dir.chmod(stat.S_IRWXU)
        opened = (data_dir / "service.lock").open("a+")
    except OSError as error:
        raise DataDirUnusableError(data_dir, error) from error
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise DataDirInUseError(data_dir, holder=lock.read().strip() or "unknown") from error
        try:
            lock.truncate(0)
            os.write(lock.fileno(), b"%d\n" % os.getpid())  # nothing is left in a buffer if it fails
        except OSError as error:  # such as a full disk
            raise DataDirUnusableError(data_dir, error) from error
        yield
