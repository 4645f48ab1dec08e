"""Folders for work in progress: removed when the work ends, and by others when a kill kept it from ending."""

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
    """Make a folder below `base`, and remove it with all it holds when the block ends.

    Raises:
        StorageFullError: The disk is full.
        StorageError: It cannot be made.
    """
    with naming_errors("there is no room to work in"):
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
    """Remove the folders below `base` whose process died, and name them.

    The kernel frees a lock when its holder ends, however it ends: a folder whose lock can be had is nobody's.
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
    """Let one at a time make, remove or clear folders: else who clears would meet unlocked ones, and vanishing ones."""
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
