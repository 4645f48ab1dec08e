"""The file of a log: its format, compression and content."""

import gzip
import re
import zlib
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import zstandard

from td3core.config import LogFormat
from td3core.errors import LogTooSmallError, UnreadableLogError
from td3core.interactions._blocks import BOM

Format = Literal["csv", "tsv", "jsonl", "parquet", "inter"]
Compression = Literal["gzip", "zstd"]

PARQUET_MAGIC = b"PAR1"
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_FOREIGN = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"BZh": "bzip2 data",
    b"\xfd7zXZ\x00": "xz data",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"ARROW1\x00\x00": "an Arrow IPC (Feather) file",
    b"\xff\xff\xff\xff": "an Arrow IPC stream",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"SQLite format 3\x00": "an SQLite database",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array",
    b"Obj\x01": "an Avro file",
    b"Rar!\x1a": "a RAR archive",
    **{bytes([0x80, protocol]): "a Python pickle" for protocol in range(2, 6)},
}
_TAR_AT = 257
_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".inter": "inter",
}
_HEAD = 1 << 20
_TYPED_HEADER = re.compile(r"[^\t:]+:(token|float)(_seq)?(\t[^\t:]+:(token|float)(_seq)?)*")


@dataclass(frozen=True, slots=True)
class Source:
    """A file with known format and compression."""

    path: Path
    format: Format
    compression: Compression | None
    head: bytes = b""
    """The first decompressed bytes, without a byte order mark."""

    def chunks(self, *, may_be_cut: bool = False) -> Generator[bytes, None, None]:
        """Yield the decompressed bytes, in pieces of bounded size.

        Raises:
            UnreadableLogError: The compressed data are damaged, or truncated and `may_be_cut` is false.
        """
        try:
            yield from _decompressed(self.path, self.compression)
        except EOFError:
            if not may_be_cut:
                raise UnreadableLogError(f"the {self.compression} data are truncated") from None
        except (gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
            raise UnreadableLogError(f"the {self.compression} data are damaged: {error}") from error


def open_source(path: Path, wanted: LogFormat, name: str | None) -> Source:
    """Detect the compression by the first bytes, and the format by the spec, the name, then the first bytes.

    Raises:
        LogTooSmallError: The file is empty.
        UnreadableLogError: The format is not supported, or differs from the spec or the name.
    """
    with path.open("rb") as file:
        magic = file.read(8)
    if not magic:
        raise LogTooSmallError("the file is empty")
    compression = _compression(magic)
    with closing(Source(path, "csv", compression).chunks()) as chunks:
        head = next(chunks, b"")[:_HEAD].removeprefix(BOM)
    if not head:
        raise LogTooSmallError("the file is empty")
    return Source(path, _format(head, wanted, name or path.name, compression), compression, head)


def _compression(magic: bytes) -> Compression | None:
    if magic.startswith(_GZIP_MAGIC):
        return "gzip"
    return "zstd" if magic.startswith(_ZSTD_MAGIC) else None


def _format(head: bytes, wanted: LogFormat, name: str, compression: Compression | None) -> Format:
    what = _foreign(head)
    if what is not None:
        raise UnreadableLogError(
            f"the file is {what}; expected CSV, TSV, JSON Lines or RecBole .inter in UTF-8, plain or compressed by "
            "gzip or zstd, or Parquet"
        )
    is_parquet = head.startswith(PARQUET_MAGIC)
    found = wanted if wanted != "auto" else _by_name(name)
    if is_parquet and wanted == "auto":
        found = "parquet"
    if is_parquet != (found == "parquet"):
        said = f"data.format is {wanted}" if wanted != "auto" else f"the name is {name!r}"
        raise UnreadableLogError(f"{said}, but the file is {'' if is_parquet else 'not '}Parquet")
    if is_parquet:
        if compression is not None:
            raise UnreadableLogError(
                f"a Parquet file must not be compressed by {compression}; send it as it is"
            )
        return "parquet"
    if b"\x00" in head:
        raise UnreadableLogError("the file is binary (it contains NUL bytes); expected UTF-8 text")
    return found or _by_first_line(head)


def _foreign(head: bytes) -> str | None:
    """What the file is, if that is known and none of the formats that are read."""
    for start, what in _FOREIGN.items():
        if head.startswith(start):
            return what
    if head[_TAR_AT:].startswith(b"ustar"):
        return "a tar archive (send the log in it)"
    if b"\x00" in head:
        if head.startswith(b"ORC"):
            return "an ORC file"
        if not any(head[1:200:2]) or not any(head[:200:2]):
            return "UTF-16 text"
    return None


def _by_name(name: str) -> Format | None:
    lowered = name.lower()
    for compressed in (".gz", ".zst", ".zstd"):
        lowered = lowered.removesuffix(compressed)
    return _SUFFIXES.get(Path(lowered).suffix)


def _by_first_line(head: bytes) -> Format:
    first = head.strip().partition(b"\n")[0].rstrip(b"\r").decode("utf-8", "replace")
    if first.startswith("{"):
        return "jsonl"
    return "inter" if _TYPED_HEADER.fullmatch(first) else "csv"


def _decompressed(path: Path, compression: Compression | None) -> Generator[bytes, None, None]:
    if compression == "zstd":
        yield from _zstd(path)
        return
    with path.open("rb") if compression is None else gzip.open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            yield chunk


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
