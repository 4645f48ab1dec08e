"""The storage protocol, and functions that its implementations share."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from api.errors import DamagedObjectError

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An entry of a listing."""

    key: str
    bytes: int
    modified_at: datetime
    """Time of storing, by the clock of the storage."""


class Storage(Protocol):
    """Objects by key, whose parts are separated by `/`. An object is stored atomically and never changes.

    Every method may raise StorageError (the storage is unavailable, or the object does not exist), StorageFullError
    (the storage is full), and DamagedObjectError (the content does not match the given `sha256`).
    """

    def put_file(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        """Store a copy of the file, atomically and in constant memory; it is durable when this returns."""
        ...

    def read(self, key: str, *, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from `start` to `end` (exclusive). The object is opened at once and read on demand."""
        ...

    def download(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        """Download the object to a file, in constant memory. After an error there is no file."""
        ...

    def exists(self, key: str) -> bool:
        """Whether the object exists."""
        ...

    def delete(self, key: str) -> None:
        """Delete the object; no error if it does not exist."""
        ...

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Yield all objects below a prefix of complete parts, in no particular order."""
        ...

    def signed_url(self, key: str, *, lasting: timedelta) -> str | None:
        """Return a URL for downloading the object that is valid for this time, or `None` if that is not supported."""
        ...

    def clear_unfinished(self, *, before: datetime) -> int:
        """Delete the remains of uploads that began before this time, and return their number."""
        ...


def read_chunks(path: Path) -> Iterator[bytes]:
    """Yield the file in chunks."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def checked(chunks: Iterable[bytes], key: str, sha256: str | None) -> Iterator[bytes]:
    """Yield the chunks, and compare their hash after the last one.

    Raises:
        DamagedObjectError: The hash is wrong; the consumer must discard the chunks.
    """
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if sha256 is not None and digest.hexdigest() != sha256:
        raise DamagedObjectError(f"{key} is damaged: expected SHA-256 {sha256}, got {digest.hexdigest()}")


def write_file(chunks: Iterable[bytes], path: Path) -> None:
    """Write the chunks to a new file, which is deleted if that fails."""
    try:
        with path.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
