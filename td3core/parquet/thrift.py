"""Reading Thrift's compact protocol, in which Parquet writes its footer and page headers.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from typing import Any

Fields = dict[int, Any]
"""Number of the field -> int, bool, bytes, list, or the fields of a struct."""

_DEEPEST = 16
_MOST_VALUES = 5_000_000
"""In one struct, which takes some ten seconds."""
_LONGEST_VARINT = 10  # bytes of a 64-bit integer
_TRUE, _FALSE, _DOUBLE_BYTES = 1, 2, 8


class ThriftError(ValueError):
    """The bytes are no Thrift structure."""


def read_struct(data: bytes, start: int) -> tuple[Fields, int]:
    """Return the fields of the struct that begins at `start`, and where it ends.

    What is read takes memory in proportion to its bytes.

    Raises:
        ThriftError: There is none.
    """
    reader = _Reader(data, start)
    return reader.struct(), reader.place


class _Reader:
    def __init__(self, data: bytes, place: int) -> None:
        self._data = data
        self.place = place
        self._values = 0

    def struct(self, depth: int = 0) -> Fields:
        if depth > _DEEPEST:
            raise ThriftError(f"it is nested more than {_DEEPEST} deep")
        fields: Fields = {}
        number = 0
        while header := self._byte():
            step, kind = header >> 4, header & 15
            number = number + step if step else self._integer()
            # A boolean of a field is its type.
            fields[number] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        self._values += 1
        if self._values > _MOST_VALUES:
            raise ThriftError(
                f"it has more than {_MOST_VALUES:,} values, as of too many columns or row groups"
            )
        match kind:
            case 1 | 2:  # booleans, as elements of a list
                return self._byte() == _TRUE
            case 3:  # 8 bits
                return self._byte()
            case 4 | 5 | 6:  # 16, 32 and 64 bits
                return self._integer()
            case 7:  # a 64-bit float, which Parquet has in statistics alone
                return self._bytes(_DOUBLE_BYTES)
            case 8:  # bytes or text
                return self._bytes(self._varint())
            case 9 | 10:  # a list or a set
                return self._list(depth)
            case 12:
                return self.struct(depth + 1)
            case _:
                raise ThriftError(f"type {kind} is none of Parquet's")

    def _list(self, depth: int) -> list[Any]:
        header = self._byte()
        size, kind = header >> 4, header & 15
        if size == 15:
            size = self._varint()
        if size > len(self._data) - self.place:  # each element takes a byte at least
            raise ThriftError(f"a list of {size} elements is longer than the file")
        return [self._value(kind, depth) for _ in range(size)]

    def _integer(self) -> int:
        zigzag = self._varint()
        return (zigzag >> 1) ^ -(zigzag & 1)

    def _varint(self) -> int:
        value = 0
        for index in range(_LONGEST_VARINT):
            byte = self._byte()
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                return value
        raise ThriftError(f"an integer has more than {_LONGEST_VARINT} bytes")

    def _byte(self) -> int:
        if self.place >= len(self._data):
            raise ThriftError("it ends early")
        self.place += 1
        return self._data[self.place - 1]

    def _bytes(self, count: int) -> bytes:
        end = self.place + count
        if end > len(self._data):
            raise ThriftError("it ends early")
        taken = self._data[self.place : end]
        self.place = end
        return taken
