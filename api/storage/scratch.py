"""Temporary directories of uploads and runs, which other processes remove if their owner was killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.storage.disk import naming_errors


@contextmanager
def scratch_folder(base: Path, *, prefix: str) -> Iterator[Path]:
    """Create a directory below `base`, and remove it with its content when the block ends.

    Raises:
        StorageFullError: The disk is full.
        StorageError: The directory cannot be created.
    """
    with naming_errors("a temporary directory could not be created"):
        base.mkdir(parents=True, exist_ok=True)
        with _locked(base):
            folder = Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=base))
            lock = _lock(folder, wait=True)
    try:
        yield folder
    finally:
        with _locked(base):
            shutil.rmtree(folder)
            os.close(lock)


def clear_abandoned(base: Path) -> list[str]:
    """Remove the directories below `base` whose process has ended, and return their names.

    The kernel releases the lock of a directory when its process ends: a directory that can be locked is abandoned.
    """
    base.mkdir(parents=True, exist_ok=True)
    cleared: list[str] = []
    with _locked(base):
        for folder in sorted(path for path in base.iterdir() if path.is_dir()):
            try:
                lock = _lock(folder, wait=False)
            except BlockingIOError:
                continue
            shutil.rmtree(folder)
            os.close(lock)
            cleared.append(folder.name)
    return cleared


@contextmanager
def _locked(base: Path) -> Iterator[None]:
    """Allow one process at a time to create or remove directories, so that none is seen before it is locked."""
    lock = _lock(base, wait=True)
    try:
        yield
    finally:
        os.close(lock)


def _lock(folder: Path, *, wait: bool) -> int:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor
