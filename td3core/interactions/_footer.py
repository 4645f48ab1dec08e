"""The footer of a Parquet file: how many rows and bytes its columns have, before any of them is read.

Polars tells neither row groups nor sizes. Only sizes have to be understood here:
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import BinaryIO

from td3core.parquet.thrift import read_struct

_ROWS, _ROW_GROUPS = 3, 4  # of the file
_COLUMNS = 1  # of a row group
_META_DATA = 3  # of a column chunk
_PATH, _UNCOMPRESSED, _DICTIONARY_AT = 3, 6, 11  # of its metadata
_PAGE_BYTES, _DICTIONARY, _VALUES = 2, 7, 1  # of a page, and of a dictionary in it
_PAGE_HEADER = 256  # bytes in which it surely ends


@dataclass(frozen=True, slots=True)
class Chunk:
    """A column in a row group."""

    size: int
    """Bytes without compression."""
    dictionary_at: int | None
    """Where its dictionary is in the file, if it has one."""


@dataclass(frozen=True, slots=True)
class Footer:
    """Sizes of a Parquet file."""

    rows: int
    chunks: dict[str, list[Chunk]]
    """Name of a column at the top -> what it is in each row group."""


def read_footer(data: bytes) -> Footer:
    """Parse a footer.

    Raises:
        ValueError: It is damaged.
    """
    try:
        file, _ = read_struct(data, 0)
        chunks: dict[str, list[Chunk]] = defaultdict(list)
        for row_group in file.get(_ROW_GROUPS, []):
            for chunk in row_group[_COLUMNS]:
                column = chunk[_META_DATA]
                found = Chunk(int(column[_UNCOMPRESSED]), column.get(_DICTIONARY_AT))
                chunks[column[_PATH][0].decode()].append(found)
        return Footer(int(file[_ROWS]), dict(chunks))
    except (LookupError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def mean_of_dictionary(file: BinaryIO, chunk: Chunk) -> float:
    """Return the mean size of the values in the dictionary of a chunk, in bytes; 0 if it has none that can be read."""
    if not chunk.dictionary_at:
        return 0.0
    try:
        file.seek(chunk.dictionary_at)
        page, _ = read_struct(file.read(_PAGE_HEADER), 0)
        return int(page[_PAGE_BYTES]) / max(1, int(page[_DICTIONARY][_VALUES]))
    except (ValueError, LookupError, TypeError, OverflowError, OSError):
        return 0.0
