"""What every storage does, and what both kinds have in common."""

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
    """An object as a listing shows it."""

    key: str
    bytes: int
    modified_at: datetime
    """When it was stored, by the clock of the storage."""


class Storage(Protocol):
    """Objects by key, `/` between its parts. An object is put whole and never changes.

    Every method may raise StorageError: the storage does not answer, or has no such object; StorageFullError:
    there is no space left; and DamagedObjectError: the content is not the one whose `sha256` was given.
    """

    def put_file(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        """Store a copy of the file, whole or not at all, in constant memory; when this returns it lasts."""
        ...

    def read(self, key: str, *, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from `start` up to, not including, `end`; opened at once, read as needed."""
        ...

    def download(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        """Write the object to a file, in constant memory; after an error there is no file."""
        ...

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no error."""
        ...

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """All objects below a prefix of whole parts, in no particular order."""
        ...

    def signed_url(self, key: str, *, lasting: timedelta) -> str | None:
        """A URL that anyone may GET the object from for so long; `None` where the storage has none to give."""
        ...

    def clear_unfinished(self, *, before: datetime) -> int:
        """Drop what puts that began before then left half-way, and say how many there were."""
        ...


def read_chunks(path: Path) -> Iterator[bytes]:
    """The file, piece by piece."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def checked(chunks: Iterable[bytes], key: str, sha256: str | None) -> Iterator[bytes]:
    """Pass the chunks on, and raise after the last one if they were not what they should be.

    Raises:
        DamagedObjectError: They have another hash; whoever consumes them must not keep them.
    """
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if sha256 is not None and digest.hexdigest() != sha256:
        raise DamagedObjectError(f"{key} has the SHA-256 {digest.hexdigest()}, expected {sha256}")


def write_file(chunks: Iterable[bytes], path: Path) -> None:
    """Write the chunks to a new file, of which nothing is left if that fails."""
    try:
        with path.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
