"""Reading the members of an archive, without belief in what the archive says of them.

Whoever loads an archive may have it from somebody else. So no member is read unless it may be as large as it says: by
what the manifest claims (see `artifact`), and by how much of the file it takes. The memory of a load is then a
multiple of the file's size, whatever the file says.
"""

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from td3core.errors import InvalidArtifactError
from td3core.zip_file import LARGEST_READ, BoundedFile

MOST_GROWTH = 20
"""How many times as large a member may be as what it takes in the file. Deflate packs zeros a thousand times; what it
makes of weights is hardly smaller, and `save_summary` stores what packs better as it is."""

_ANY_GROWTH = 4 << 20  # bytes, up to which a member may grow by any factor
_LARGEST_MEMBER = 16 << 30  # bytes; no valid archive has a larger one
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1  # bit of the flags
_SHOWN = 10  # names in a message
_UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,  # with NotImplementedError, of what the library does not know
    ValueError,  # with UnicodeDecodeError, of names
    OverflowError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)
"""What the zip library raises on files that are missing or damaged."""


class Members:
    """The members of an open archive."""

    def __init__(self, archive: zipfile.ZipFile, path: Path, size: int) -> None:
        self._archive = archive
        self._path = path
        self._size = size
        infos = archive.infolist()
        self._infos = {info.orig_filename: info for info in infos}
        if len(self._infos) != len(infos):
            raise InvalidArtifactError(f"{path} has members of the same name: {self._shown()}")

    def check_names(self, expected: frozenset[str]) -> None:
        """Raise InvalidArtifactError unless there are exactly these members."""
        if missing := expected - self._infos.keys():
            raise InvalidArtifactError(f"{self._path} has no {min(missing)}; it has {self._shown()}")
        if self._infos.keys() != expected:
            raise InvalidArtifactError(f"{self._path} has {self._shown()}; expected only {sorted(expected)}")

    def read(self, name: str, *, most: int) -> bytes:
        """Return a member of at most `most` bytes.

        Raises:
            InvalidArtifactError: It is missing, damaged, encrypted, or too large.
        """
        info = self._infos.get(name)
        if info is None:
            raise InvalidArtifactError(f"{self._path} has no {name}; it has {self._shown()}")
        if info.flag_bits & _ENCRYPTED:
            raise InvalidArtifactError(f"{name} is encrypted; expected a member without a password")
        if info.compress_type not in _METHODS:
            raise InvalidArtifactError(
                f"{name} has the compression method {info.compress_type}; expected {_METHODS}, stored or deflated"
            )
        packed = min(info.compress_size, self._size)
        most = min(most, _LARGEST_MEMBER, max(_ANY_GROWTH, MOST_GROWTH * packed))
        if info.file_size > most:
            raise InvalidArtifactError(
                f"{name} has {info.file_size:,} bytes, of {packed:,} in the file; expected at most {most:,}"
            )
        with _naming(self._path), self._archive.open(info) as member:
            data = b"".join(iter(lambda: member.read(LARGEST_READ), b""))
        if len(data) != info.file_size:
            raise InvalidArtifactError(
                f"{name} is damaged: it has {len(data):,} bytes, and the archive tells {info.file_size:,}"
            )
        return data

    def read_hashed(self, name: str, sha256: str | None, *, most: int) -> bytes:
        """Return a member whose SHA-256 is known; raises the same errors as `read`."""
        data = self.read(name, most=most)
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise InvalidArtifactError(f"{name} is damaged: expected SHA-256 {sha256!r}, got {found!r}")
        return data

    def _shown(self) -> str:
        names = list(self._infos)
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return f"{[name[:100] for name in names[:_SHOWN]]}{more}"


@contextmanager
def open_members(path: Path) -> Generator[Members]:
    """Open an archive to read its members.

    Raises:
        InvalidArtifactError: It is missing, or no zip archive.
    """
    with _naming(path):
        file = BoundedFile(path)
    with file:
        with _naming(path):
            archive = zipfile.ZipFile(file)
        with archive:
            yield Members(archive, path, path.stat().st_size)


def may_be_packed(size: int, packed: int) -> bool:
    """Whether a member of `size` bytes can be read again that takes `packed` bytes in the file."""
    return size <= max(_ANY_GROWTH, MOST_GROWTH * packed)


@contextmanager
def _naming(path: Path) -> Generator[None]:
    try:
        yield
    except _UNREADABLE as error:
        raise InvalidArtifactError(f"{path} cannot be read as a zip archive: {error}") from error
