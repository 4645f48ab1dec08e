"""Decompressing a log, in pieces of bounded size."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Literal, Protocol

import zstandard

from td3core.errors import UnreadableLogError
from td3core.interactions._archive import ZIP_MAGIC, zip_member

Compression = Literal["gzip", "zstd", "bzip2", "xz", "zip"]

_MAGIC: dict[bytes, Compression] = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    ZIP_MAGIC: "zip",
}
_PIECE = 1 << 20
_LARGEST_DICTIONARY = 128 << 20
"""Bytes that xz may take; `xz -9`, its highest setting, takes 65 MiB."""


class Decompressor(Protocol):
    """What the decompressors of bz2 and lzma have in common."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes without more data."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What follows the end of the stream."""
        ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most this many bytes."""
        ...


def compression_of(magic: bytes) -> Compression | None:
    """Return the compression of a file that begins like this."""
    return next((name for start, name in _MAGIC.items() if magic.startswith(start)), None)


def decompressed(path: Path, compression: Compression | None) -> Generator[bytes, None, None]:
    """Yield the content of a file.

    Raises:
        EOFError: The compressed data are truncated.
        UnreadableLogError: They are damaged, or the archive has not exactly one file.
    """
    try:
        match compression:
            case "zstd":
                yield from _zstd(path)
            case "bzip2":
                yield from _streams(path, bz2.BZ2Decompressor)
            case "xz":
                yield from _streams(path, lambda: lzma.LZMADecompressor(memlimit=_LARGEST_DICTIONARY))
            case "zip":
                yield from zip_member(path, _PIECE)
            case "gzip" | None:
                with path.open("rb") if compression is None else gzip.open(path, "rb") as file:
                    while chunk := file.read(_PIECE):
                        yield chunk
    except (gzip.BadGzipFile, zlib.error, zstandard.ZstdError, lzma.LZMAError) as error:
        raise UnreadableLogError(f"the {compression} data are damaged: {error}") from error


def _zstd(path: Path) -> Generator[bytes, None, None]:
    """Decompress frame after frame. 4 KiB of zstd expand to at most 128 MiB, which limits the size of a piece."""
    with path.open("rb") as file:
        frame = zstandard.ZstdDecompressor().decompressobj()
        while data := file.read(1 << 12):
            while data:
                if frame.eof:
                    frame = zstandard.ZstdDecompressor().decompressobj()
                if chunk := frame.decompress(data):
                    yield chunk
                data = frame.unused_data if frame.eof else b""
        if not frame.eof:
            raise EOFError


def _streams(path: Path, new: Callable[[], Decompressor]) -> Generator[bytes, None, None]:
    """Decompress stream after stream of bzip2 or xz, between which xz may have padding."""
    with path.open("rb") as file:
        stream, data = new(), b""
        while data or (data := file.read(_PIECE)):
            if stream.eof:
                data = data.lstrip(b"\0")
                stream = new() if data else stream
                continue
            if chunk := _piece(stream, data):
                yield chunk
            data = stream.unused_data if stream.eof else b""
            while not stream.eof and not stream.needs_input:
                yield _piece(stream, b"")
                data = stream.unused_data if stream.eof else b""
        if not stream.eof:
            raise EOFError


def _piece(stream: Decompressor, data: bytes) -> bytes:
    try:
        return stream.decompress(data, _PIECE)
    except OSError as error:  # of bzip2; lzma has an error of its own
        raise UnreadableLogError(f"the bzip2 data are damaged: {error}") from error
