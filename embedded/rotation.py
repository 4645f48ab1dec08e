"""Log files of bounded size."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

LARGEST = 16 << 20
"""Bytes after which a log is continued from its beginning."""
KEPT = 3
"""Former logs: `api.log.1` is the last one."""


def rotate(log: Path, *, largest: int = LARGEST, kept: int = KEPT) -> bool:
    """Copy a log that has become large to a file beside it, and empty it; return whether that was done.

    It is copied and not renamed, because the process that writes it appends to the open file. Lines that come between
    the two steps are lost. If the disk is full, the log is emptied without a copy.

    Raises:
        OSError: The files cannot be changed.
    """
    if not log.exists() or log.stat().st_size <= largest:
        return False
    former = [log.with_name(f"{log.name}.{number}") for number in range(1, kept + 1)]
    for older, newer in zip(former[:0:-1], former[-2::-1], strict=True):
        if newer.exists():
            newer.replace(older)
    try:
        shutil.copyfile(log, former[0])
    except OSError:
        with suppress(FileNotFoundError):
            former[0].unlink()
    os.truncate(log, 0)
    return True
