"""Storage in a local directory.

It does not use the LocalStore of obstore, which renames files without flushing them, so that an object could be empty
after a power failure, and which hides the error of the operating system.
"""

import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from api.storage.base import CHUNK, StoredObject, checked, read_chunks, write_file
from api.storage.disk import naming_errors

UNFINISHED = ".unfinished"
"""Directory of incomplete copies."""


class FolderStorage:
    """Objects as files. A file is copied to another name, flushed and renamed, and then its directory is flushed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / UNFINISHED).mkdir(parents=True, exist_ok=True)

    def put_file(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        """Copy, flush, rename, flush."""
        target, copy = self._folder / key, self._folder / UNFINISHED / uuid.uuid4().hex
        with naming_errors(f"{key} could not be stored"):
            try:
                write_file(checked(read_chunks(path), key, sha256), copy)
                _flush(copy)
                target.parent.mkdir(parents=True, exist_ok=True)
                copy.replace(target)
            finally:
                copy.unlink(missing_ok=True)
            for folder in target.parents:
                _flush(folder)
                if folder == self._folder:
                    break

    def read(self, key: str, *, start: int, end: int) -> Iterator[bytes]:
        """Open the file at once, so that a missing file is an error before the response begins."""
        with naming_errors(f"{key} could not be read"):
            file = (self._folder / key).open("rb")
            file.seek(start)

        def chunks() -> Iterator[bytes]:
            with file, naming_errors(f"{key} could not be read"):
                left = end - start
                while left and (chunk := file.read(min(CHUNK, left))):
                    left -= len(chunk)
                    yield chunk

        return chunks()

    def download(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        """Copy the file."""
        with naming_errors(f"{key} could not be fetched"):
            write_file(checked(read_chunks(self._folder / key), key, sha256), path)

    def exists(self, key: str) -> bool:
        """Check that the file exists."""
        return (self._folder / key).is_file()

    def delete(self, key: str) -> None:
        """Delete the file."""
        with naming_errors(f"{key} could not be deleted"):
            (self._folder / key).unlink(missing_ok=True)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """List the files recursively, without those that disappear meanwhile."""
        with naming_errors(f"{prefix or 'the storage'} could not be listed"):
            for path in (self._folder / prefix).rglob("*"):
                key = path.relative_to(self._folder)
                if key.parts[0] == UNFINISHED or not path.is_file():
                    continue
                if entry := _entry(path, key.as_posix()):
                    yield entry

    def signed_url(self, key: str, *, lasting: timedelta) -> str | None:
        """Return None, because clients cannot access the directory."""
        return None

    def clear_unfinished(self, *, before: datetime) -> int:
        """Delete old copies that were never renamed."""
        cleared = 0
        with naming_errors("unfinished copies could not be cleared"):
            for path in (self._folder / UNFINISHED).iterdir():
                entry = _entry(path, path.name)
                if entry and entry.modified_at < before:
                    path.unlink(missing_ok=True)
                    cleared += 1
        return cleared


def _entry(path: Path, key: str) -> StoredObject | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return StoredObject(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _flush(path: Path) -> None:
    """Make the content of a file or directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
