"""Measuring a flat Parquet file by its footer and the headers of its pages.

A reader allocates what the headers say: as many bytes as a page unpacks to, and a value for each row. So a file of a
megabyte can ask for any memory. Its headers are a few bytes each, and tell what that is.

https://parquet.apache.org/docs/file-format/
"""

from collections.abc import Iterator
from dataclasses import dataclass

from td3core.parquet.thrift import Fields, ThriftError, read_struct

_MAGIC = b"PAR1"
_LENGTH = 4  # bytes of the footer's length, before the last magic
_LARGEST_FOOTER = 1 << 20  # bytes
_CODECS = (0, 6)  # none, and zstd
_ENCODINGS = (
    0,
    2,
    5,
    8,
)  # PLAIN, PLAIN_DICTIONARY, DELTA_BINARY_PACKED, RLE_DICTIONARY: none repeats bytes of a value
_DATA, _DICTIONARY, _DATA_2 = 0, 2, 3
_HEADER_OF: dict[int, int] = {_DATA: 5, _DICTIONARY: 7, _DATA_2: 8}
"""Type of a page -> the field of its header that holds the one of this type."""
_ENCODING_IN: dict[int, int] = {_DATA: 2, _DICTIONARY: 2, _DATA_2: 4}


class ParquetError(ValueError):
    """The file is damaged, or is not one of these."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What a file unpacks to."""

    columns: tuple[str, ...]
    rows: int
    bytes: int
    """Of all pages, dictionaries included."""


def unpacked(data: bytes) -> Unpacked:
    """Measure a file of flat columns that are uncompressed or compressed with zstd.

    Raises:
        ParquetError: It is no such file, or its footer and its pages tell different numbers of rows.
    """
    try:
        return _unpacked(data)
    except (ThriftError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ParquetError(f"the Parquet file is damaged: {error!r}") from error


def _unpacked(data: bytes) -> Unpacked:
    footer, begins = _footer(data)
    root, *leaves = footer[2]
    if any(5 in leaf for leaf in leaves) or root[5] != len(leaves):
        raise ParquetError("the Parquet file has nested columns")
    names = tuple(leaf[4].decode(errors="replace") for leaf in leaves)
    rows = size = 0
    for group in footer[4]:
        chunks = [chunk[3] for chunk in group[1]]
        if len(chunks) != len(names):
            raise ParquetError(f"a row group has {len(chunks)} columns; expected {len(names)}")
        for chunk in chunks:
            size += _chunk_bytes(data, chunk, rows=group[3], most=begins)
        rows += group[3]
    if rows != footer[3]:
        raise ParquetError(f"the footer tells {footer[3]} rows, and its row groups {rows}")
    return Unpacked(names, rows, size)


def _footer(data: bytes) -> tuple[Fields, int]:
    """Return the footer, and where it begins."""
    end = len(data) - _LENGTH - len(_MAGIC)
    if end < len(_MAGIC) or data[:4] != _MAGIC or data[-4:] != _MAGIC:
        raise ParquetError("it is not a Parquet file")
    length = int.from_bytes(data[end : end + _LENGTH], "little")
    if length > min(_LARGEST_FOOTER, end):
        raise ParquetError(f"the footer has {length:,} bytes; expected at most {min(_LARGEST_FOOTER, end):,}")
    return read_struct(data, end - length)[0], end - length


def _chunk_bytes(data: bytes, chunk: Fields, *, rows: int, most: int) -> int:
    """Return the bytes to which the pages of a column chunk unpack, which ends at `most` at the latest."""
    if chunk[4] not in _CODECS:
        raise ParquetError(f"a column has the compression {chunk[4]}; expected one of {_CODECS}")
    size = values = 0
    for page in _pages(data, chunk, most):
        kind = page[1]
        if kind not in _HEADER_OF:
            raise ParquetError(f"a page has the type {kind}; expected one of {tuple(_HEADER_OF)}")
        header = page[_HEADER_OF[kind]]
        if header[_ENCODING_IN[kind]] not in _ENCODINGS:
            raise ParquetError(
                f"a page has the encoding {header[_ENCODING_IN[kind]]}; expected one of {_ENCODINGS}"
            )
        if page[2] < 0 or header[1] < 0:
            raise ParquetError(f"a page tells {page[2]} bytes and {header[1]} values")
        size += page[2]
        values += 0 if kind == _DICTIONARY else header[1]
    if not values == chunk[5] == rows:
        raise ParquetError(f"a column tells {chunk[5]} values, its pages {values}, and its row group {rows}")
    return size


def _pages(data: bytes, chunk: Fields, most: int) -> Iterator[Fields]:
    """Yield the headers of the pages, which fill the chunk."""
    first, dictionary = chunk[9], chunk.get(11) or chunk[9]
    place, end = dictionary, dictionary + chunk[7]
    if not len(_MAGIC) <= place <= first < end <= most:
        raise ParquetError(f"a column lies at {place} to {end}; expected it between {len(_MAGIC)} and {most}")
    while place < end:
        header, place = read_struct(data, place)
        if header[3] < 0:
            raise ParquetError(f"a page takes {header[3]} bytes")
        place += header[3]
        yield header
    if place != end:
        raise ParquetError(f"the pages of a column end at {place}; expected {end}")
