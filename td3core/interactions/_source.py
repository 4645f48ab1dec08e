"""The file of a log: its format, compression and content."""

import re
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from td3core.config import DataConfig, Encoding, LogFormat
from td3core.errors import LogTooSmallError, UnreadableLogError
from td3core.interactions._archive import zip_name
from td3core.interactions._arrow_messages import FILE_MAGIC, STREAM_MAGIC
from td3core.interactions._blocks import BOM
from td3core.interactions._compression import Compression, compression_of, decompressed
from td3core.interactions._encoding import as_utf8, check_encoding
from td3core.interactions._foreign import what_it_is
from td3core.interactions._json_document import is_document

Format = Literal["csv", "tsv", "jsonl", "parquet", "arrow", "inter"]

PARQUET_MAGIC = b"PAR1"
_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".inter": "inter",
}
_TABLES: dict[Format, str] = {"parquet": "Parquet", "arrow": "Arrow IPC"}
_COMPRESSED = (".gz", ".zst", ".zstd", ".bz2", ".xz")
_HEAD = 1 << 20
_TYPED_HEADER = re.compile(r"[^\t:]+:(token|float)(_seq)?(\t[^\t:]+:(token|float)(_seq)?)*")


@dataclass(frozen=True, slots=True)
class Source:
    """A file with known format, compression and encoding."""

    path: Path
    format: Format
    compression: Compression | None
    encoding: Encoding = "utf-8"
    head: bytes = b""
    """The first decompressed bytes, in UTF-8 without a byte order mark."""

    @property
    def is_document(self) -> bool:
        """Whether the log is JSON, but not of one object in each line."""
        return self.format == "jsonl" and is_document(self.head)

    def chunks(self, *, may_be_cut: bool = False) -> Generator[bytes, None, None]:
        """Yield the decompressed bytes, in UTF-8 and in pieces of bounded size.

        Raises:
            UnreadableLogError: The compressed data are damaged, or truncated and `may_be_cut` is false; the text has
                another encoding.
        """
        chunks = _whole(self.path, self.compression, may_be_cut)
        yield from (
            chunks if self.encoding == "utf-8" else as_utf8(chunks, self.encoding, may_be_cut=may_be_cut)
        )


def open_source(path: Path, data: DataConfig, name: str | None) -> Source:
    """Detect the compression by the first bytes, and the format by the spec, the name, then the first bytes.

    Raises:
        LogTooSmallError: The file is empty.
        UnreadableLogError: The format is not supported, or differs from the spec or the name.
    """
    with path.open("rb") as file:
        magic = file.read(8)
    if not magic:
        raise LogTooSmallError("the file is empty")
    compression = compression_of(magic)
    name = name or path.name
    if compression == "zip":
        name = zip_name(path)
    raw = _head(_whole(path, compression, may_be_cut=True))
    if not raw:
        next(
            _whole(path, compression, may_be_cut=False), None
        )  # refuses what is truncated before anything came
    if not raw.removeprefix(BOM):
        raise LogTooSmallError("the file is empty")
    is_text = _table_of(raw) is None
    if is_text and data.encoding != "utf-8":
        check_encoding(raw, data.encoding)
        raw = _head(Source(path, "csv", compression, data.encoding).chunks(may_be_cut=True))
    head = raw.removeprefix(BOM)
    form = _format(head, data.format, name, compression)
    return Source(path, form, compression, data.encoding if is_text else "utf-8", head)


def _whole(path: Path, compression: Compression | None, may_be_cut: bool) -> Generator[bytes, None, None]:
    try:
        yield from decompressed(path, compression)
    except EOFError:
        if not may_be_cut:
            raise UnreadableLogError(f"the {compression} data are truncated") from None


def _head(chunks: Generator[bytes, None, None]) -> bytes:
    head = b""
    with closing(chunks):
        for chunk in chunks:
            head += chunk[: _HEAD - len(head)]
            if len(head) == _HEAD:
                break
    return head


def _format(head: bytes, wanted: LogFormat, name: str, compression: Compression | None) -> Format:
    table = _table_of(head)
    what = None if table else what_it_is(head)
    if what is not None:
        raise UnreadableLogError(
            f"the file is {what}. Expected is CSV, TSV, JSON or RecBole .inter in UTF-8, plain or compressed by gzip, "
            "zstd, bzip2, xz or zip, or Parquet or Arrow IPC"
        )
    found = wanted if wanted != "auto" else _by_name(name)
    if table and wanted == "auto":
        found = table
    expected = found if found in _TABLES else None
    if table != expected:
        said = f"data.format is {wanted}" if wanted != "auto" else f"the name is {name!r}"
        is_one = _TABLES[table] if table else f"not {_TABLES[expected or 'parquet']}"
        raise UnreadableLogError(f"{said}, but the file is {is_one}")
    if table and compression is not None:
        raise UnreadableLogError(
            f"a file of {_TABLES[table]} must not be compressed by {compression}; send it as it is"
        )
    return found or _by_first_line(head)


def _table_of(head: bytes) -> Format | None:
    if head.startswith(PARQUET_MAGIC):
        return "parquet"
    return "arrow" if head.startswith((FILE_MAGIC, STREAM_MAGIC)) else None


def _by_name(name: str) -> Format | None:
    lowered = name.lower()
    for compressed in _COMPRESSED:
        lowered = lowered.removesuffix(compressed)
    return _SUFFIXES.get(Path(lowered).suffix)


def _by_first_line(head: bytes) -> Format:
    first = head.strip().partition(b"\n")[0].rstrip(b"\r").decode("utf-8", "replace")
    if re.match(r"\{|\[\s*(\{|$)", first):
        return "jsonl"
    return "inter" if _TYPED_HEADER.fullmatch(first) else "csv"
