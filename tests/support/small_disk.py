"""A real file system that is soon full."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def small_disk(folder: Path, *, bytes_: int) -> Iterator[Path]:
    """Mount a tmpfs of this size on a new folder; skips the test where that is not allowed."""
    folder.mkdir()
    if _libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, f"size={bytes_}".encode()):
        pytest.skip(f"a small file system cannot be mounted here: {os.strerror(ctypes.get_errno())}")
    try:
        yield folder
    finally:
        if _libc.umount2(os.fsencode(folder), 2):  # MNT_DETACH: a test that failed may have files open
            raise OSError(ctypes.get_errno(), f"{folder} cannot be unmounted")
