"""The footer of a Parquet file: how many rows and bytes its columns have, before any of them is read.

Polars tells neither row groups nor sizes. The footer is a struct of Thrift's compact protocol, of which only sizes have
to be understood: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift and
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

_ROWS, _ROW_GROUPS = 3, 4  # of the file
_COLUMNS = 1  # of a row group
_META_DATA = 3  # of a column chunk
_PATH, _UNCOMPRESSED, _DICTIONARY_AT = 3, 6, 11  # of its metadata
_PAGE_BYTES, _DICTIONARY, _VALUES = 2, 7, 1  # of a page, and of a dictionary in it
_PAGE_HEADER = 256  # bytes in which it surely ends
_DEEPEST = 32
_BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = 3, 7, 8, 9, 10, 11, 12, 13
_BOOLEANS, _INTEGERS = (1, 2), (4, 5, 6)


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
        file = _Reader(data).struct()
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
    file.seek(chunk.dictionary_at)
    try:
        page = _Reader(file.read(_PAGE_HEADER)).struct()
        return int(page[_PAGE_BYTES]) / max(1, int(page[_DICTIONARY][_VALUES]))
    except (ValueError, LookupError, TypeError):
        return 0.0


class _Reader:
    """Reads values one after the other; structs are dictionaries by field number."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._depth = 0
        self._by_kind: dict[int, Callable[[], Any]] = {
            _BYTE: self._byte,
            _DOUBLE: lambda: self._bytes(8),
            _BINARY: lambda: self._bytes(self._varint()),
            _LIST: self._list,
            _SET: self._list,
            _MAP: self._map,
            _STRUCT: self.struct,
            _UUID: lambda: self._bytes(16),
            **dict.fromkeys(_BOOLEANS, self._byte),  # as items of lists; as fields they have no bytes
            **dict.fromkeys(_INTEGERS, self._integer),
        }

    def struct(self) -> dict[int, Any]:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError("it is nested too deep")
        fields: dict[int, Any] = {}
        number = 0
        while header := self._byte():
            kind = header & 0x0F
            number = number + (header >> 4) if header >> 4 else self._integer()
            fields[number] = kind == 1 if kind in _BOOLEANS else self._by_kind[kind]()
        self._depth -= 1
        return fields

    def _list(self) -> list[Any]:
        header = self._byte()
        size, read = header >> 4, self._by_kind[header & 0x0F]
        if size == 15:
            size = self._varint()
        if size > len(self._data) - self._at:  # each item has a byte at least
            raise ValueError("a list is longer than the footer")
        return [read() for _ in range(size)]

    def _map(self) -> None:
        """Skip it: the footer has none that matters."""
        size = self._varint()
        if size:
            kinds = self._byte()
            for _ in range(size):
                self._by_kind[kinds >> 4]()
                self._by_kind[kinds & 0x0F]()

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number is too long")

    def _byte(self) -> int:
        byte = self._data[self._at]
        self._at += 1
        return byte

    def _bytes(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise ValueError("a value is longer than the footer")
        value = self._data[self._at : end]
        self._at = end
        return value
