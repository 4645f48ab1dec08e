"""The messages of an Arrow file or stream, as far as their sizes go.

What is needed of the format (https://arrow.apache.org/docs/format/Columnar.html) is read here: where messages begin and
end, and how large their buffers are said to become. What they mean is left to polars.
"""

import os
import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from td3core.errors import UnreadableLogError

FILE_MAGIC = b"ARROW1\x00\x00"
STREAM_MAGIC = b"\xff\xff\xff\xff"
_FOOTER_END = struct.Struct("<i6s")
_LARGEST_HEAD = 16 << 20  # bytes
_LARGEST_FOOTER = 64 << 20
_BLOCK = 24  # bytes of what the footer has of a message
_KINDS: dict[int, Literal["schema", "dictionary", "batch"]] = {1: "schema", 2: "dictionary", 3: "batch"}


@dataclass(frozen=True, slots=True)
class Message:
    """Where a message is, and what it claims."""

    kind: Literal["schema", "dictionary", "batch"]
    start: int
    size: int
    """Bytes of the message with its body."""
    unpacked: int = 0
    """Bytes of its buffers when they are decompressed."""
    rows: int = 0
    columns: int = 0
    """Of a schema."""
    dictionary: int = 0
    """Number of a dictionary."""
    delta: bool = False
    """Whether a dictionary is added to an earlier one with its number, which it replaces otherwise."""


def is_file(path: Path) -> bool:
    """Whether this is a file with a footer, not a stream."""
    with path.open("rb") as file:
        return file.read(len(FILE_MAGIC)) == FILE_MAGIC


def messages(path: Path, *, may_be_cut: bool) -> Iterator[Message]:
    """Yield the messages of a stream, the first of which is the schema; of one that may be cut, the whole ones.

    Raises:
        UnreadableLogError: The stream is damaged or truncated.
    """
    with path.open("rb") as file, _readable(may_be_cut=may_be_cut):
        at, end = 0, file.seek(0, os.SEEK_END)
        while (message := _message(file, at, end)) is not None:
            yield message
            at += message.size


def messages_of_file(path: Path) -> Iterator[Message]:
    """Yield what the footer of a file has: the schema, without a size, the dictionaries and the batches.

    Raises:
        UnreadableLogError: The file is damaged or truncated.
    """
    with path.open("rb") as file, _readable(may_be_cut=False):
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _FOOTER_END.size, 0))
        tail = file.read()
        length, magic = _FOOTER_END.unpack(tail) if len(tail) == _FOOTER_END.size else (0, b"")
        if magic != FILE_MAGIC[: len(magic)] or not magic:
            raise UnreadableLogError("the Arrow file is truncated: it has no footer")
        end = size - _FOOTER_END.size - length
        if not 0 < length <= _LARGEST_FOOTER or end < 0:
            raise UnreadableLogError(f"the Arrow file is damaged: its footer has {length:,} bytes")
        file.seek(end)
        data = _read(file, length)
        footer = _Table(data, _number(data, "<I", 0))
        yield Message("schema", 0, 0, columns=footer.table(1).length(1))
        told = 0
        for field in (2, 3):
            for place in footer.places(field, _BLOCK):
                message = _message(file, _number(data, "<q", place), end)
                if message is None or message.kind != ("dictionary", "batch")[field - 2]:
                    raise IndexError
                told += message.size
                if told > size:
                    raise UnreadableLogError("the Arrow file is damaged: its messages overlap")
                yield message


@contextmanager
def _readable(*, may_be_cut: bool) -> Generator[None, None, None]:
    try:
        yield
    except EOFError:
        if not may_be_cut:
            raise UnreadableLogError("the Arrow data are truncated") from None
    except (struct.error, IndexError, OSError) as error:
        raise UnreadableLogError("the Arrow data are damaged: a message has a place outside of it") from error


def _message(file: BinaryIO, at: int, end: int) -> Message | None:
    file.seek(at)
    if at >= end:
        return None
    start = _read(file, 4)
    length = start if start != STREAM_MAGIC else _read(file, 4)
    prefix = 4 if length is start else 8
    (size,) = struct.unpack("<i", length)
    if size == 0:
        return None
    if not 0 < size <= _LARGEST_HEAD:
        raise UnreadableLogError(f"the Arrow data are damaged: the head of a message has {size:,} bytes")
    head = _read(file, size)
    table = _Table(head, _number(head, "<I", 0))
    kind, body = table.number("<B", 1), table.number("<q", 3)
    if kind not in _KINDS:
        raise UnreadableLogError("the Arrow data have messages other than schemas, dictionaries and batches")
    if body < 0 or at + prefix + size + body > end:
        raise EOFError
    whole = prefix + size + body
    content = table.table(2)
    if _KINDS[kind] == "schema":
        return Message("schema", at, whole, columns=content.length(1))
    if _KINDS[kind] == "dictionary":
        unpacked = _unpacked(file, content.table(1), at + prefix + size, body)
        number, delta = content.number("<q", 0), bool(content.number("<B", 2))
        return Message("dictionary", at, whole, unpacked, dictionary=number, delta=delta)
    unpacked = _unpacked(file, content, at + prefix + size, body)
    return Message("batch", at, whole, unpacked, rows=content.number("<q", 0))


def _unpacked(file: BinaryIO, batch: "_Table", body: int, length: int) -> int:
    if not batch.place(3):  # not compressed
        return length
    total = 0
    for place in batch.places(2, 16):
        offset, size = struct.unpack_from("<qq", batch.data, place)
        if offset < 0 or size < 0 or offset + size > length:
            raise UnreadableLogError("the Arrow data are damaged: a buffer is outside of its message")
        if size:
            file.seek(body + offset)
            (claimed,) = struct.unpack("<q", _read(file, 8))
            total += claimed if claimed >= 0 else size
    return total


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _number(data: bytes, form: str, at: int) -> int:
    if at < 0:
        raise IndexError
    return struct.unpack_from(form, data, at)[0]


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of FlatBuffers: fields by number, each of which may be left out."""

    data: bytes
    at: int

    def place(self, field: int) -> int:
        """Where a field is; 0 if it is left out."""
        fields = self.at - _number(self.data, "<i", self.at)
        if 4 + 2 * field >= _number(self.data, "<H", fields):
            return 0
        offset = _number(self.data, "<H", fields + 4 + 2 * field)
        return self.at + offset if offset else 0

    def number(self, form: str, field: int) -> int:
        place = self.place(field)
        return _number(self.data, form, place) if place else 0

    def _target(self, field: int) -> int:
        place = self.place(field)
        if not place:
            raise IndexError
        return place + _number(self.data, "<I", place)

    def table(self, field: int) -> "_Table":
        return _Table(self.data, self._target(field))

    def length(self, field: int) -> int:
        return _number(self.data, "<I", self._target(field)) if self.place(field) else 0

    def places(self, field: int, size: int) -> Iterator[int]:
        """Where the elements of a vector begin, which have this size."""
        if self.place(field):
            start = self._target(field) + 4
            yield from range(start, start + size * self.length(field), size)
