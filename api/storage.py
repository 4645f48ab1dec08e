"""Where logs and summaries are kept: a local folder or an S3-compatible bucket, chosen by URL.

Objects are named by what they hold and never change. obstore writes a local object to a temporary name and
renames it, so nobody sees half of one, but does not flush it; we do, before a row may point at it. A bucket's
upload of several parts appears when it is complete.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from api.errors import SettingsError, StorageError

CHUNK = 1 << 20


class Storage(Protocol):
    """Objects by key; every method may raise StorageError: no answer, or no such object."""

    def put_file(self, key: str, path: Path) -> None:
        """Store a copy of the file, whole or not at all; when this returns it lasts."""
        ...

    def read(self, key: str, *, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from `start` up to, not including, `end`; opened at once, read as needed."""
        ...

    def download(self, key: str, path: Path) -> None:
        """Write the object to a file, in constant memory."""
        ...

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no error."""
        ...


def open_storage(url: str) -> Storage:
    """Open the storage at `file:///folder` (made if missing) or `s3://bucket/prefix`.

    Raises:
        SettingsError: The URL is of another kind.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        folder = Path(unquote(parts.path))
        folder.mkdir(parents=True, exist_ok=True)
        return ObjectStorage(LocalStore(folder), folder=folder)
    if parts.scheme in ("s3", "s3a"):
        return ObjectStorage(from_url(url))
    raise SettingsError(f"TD3_STORAGE_URL={url!r}: expected file:///folder or s3://bucket/prefix")


class ObjectStorage:
    """obstore's stores behind our protocol; `folder` where the store is a local one."""

    def __init__(self, store: obstore.store.ObjectStore, *, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder

    def put_file(self, key: str, path: Path) -> None:
        """Store a copy of the file."""
        try:
            obstore.put(self._store, key, path, chunk_size=8 * CHUNK, max_concurrency=2)
            if self._folder is not None:
                _flush(self._folder, key)
        except (BaseError, OSError) as error:
            raise StorageError(f"{key} could not be stored: {error}") from error

    def read(self, key: str, *, start: int, end: int) -> Iterator[bytes]:
        """Open the object now, so that its absence is known before the answer begins."""
        try:
            stream = obstore.get(self._store, key, options={"range": (start, end)}).stream(
                min_chunk_size=CHUNK
            )
        except (BaseError, OSError) as error:
            raise StorageError(f"{key} could not be read: {error}") from error
        return (bytes(chunk) for chunk in stream)

    def download(self, key: str, path: Path) -> None:
        """Write the object to a file."""
        try:
            with path.open("wb") as file:
                for chunk in obstore.get(self._store, key).stream(min_chunk_size=CHUNK):
                    file.write(chunk)
        except (BaseError, OSError) as error:
            raise StorageError(f"{key} could not be fetched: {error}") from error

    def exists(self, key: str) -> bool:
        """Ask for the object's head."""
        try:
            obstore.head(self._store, key)
        except FileNotFoundError:
            return False
        except (BaseError, OSError) as error:
            raise StorageError(f"{key} could not be looked up: {error}") from error
        return True

    def delete(self, key: str) -> None:
        """Remove the object."""
        try:
            obstore.delete(self._store, key)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise StorageError(f"{key} could not be deleted: {error}") from error


def _flush(folder: Path, key: str) -> None:
    """Fsync the object, and the folders that name it."""
    path = folder / key
    for entry in (path, *path.parents):
        descriptor = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if entry == folder:
            break
