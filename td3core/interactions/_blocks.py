"""Cutting a text log into blocks of whole records, so that memory does not grow with the file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from td3core.errors import UnreadableLogError

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a log may take, whatever its compressed size: the bounds that a decompression bomb runs into."""

    text_bytes: int = 64 << 30
    """Decompressed text."""
    expansion: int = 200
    """Decompressed text for a byte of the file, where it is more than `modest_bytes`."""
    modest_bytes: int = 256 << 20
    """Decompressed text that any file may hold."""
    log_bytes: int = 8 << 30
    """The columns kept in memory: some 200 million interactions with short ids."""
    block_bytes: int = 16 << 20
    """Text looked at in one go; a line may be up to this long."""

    def text_of(self, file_bytes: int) -> int:
        """Bytes of text that may be read from a file of this size."""
        return min(self.text_bytes, max(self.modest_bytes, self.expansion * file_bytes))


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records of a text log, and the number of the first line."""

    data: bytes
    line: int


def cut_blocks(
    chunks: Iterable[bytes], file_bytes: int, limits: Limits, *, quoted: bool, head_bytes: int | None
) -> Iterator[Block]:
    """Cut at line ends, outside quotes if the text is `quoted`; leave out a head's unfinished last line.

    Raises:
        UnreadableLogError: if the text, or one line of it, is larger than the limits.
    """
    pending, line = bytearray(), 1
    slices = _slices(_without_bom(chunks), limits.block_bytes)
    for chunk in _head(slices, limits.text_of(file_bytes), head_bytes):
        pending += chunk
        if len(pending) < limits.block_bytes:
            continue
        end = _last_record_end(pending, quoted=quoted)
        if end:
            yield Block(bytes(pending[:end]), line)
            line += pending.count(b"\n", 0, end)
            del pending[:end]
        elif len(pending) > 2 * limits.block_bytes:
            raise UnreadableLogError(f"line {line} is longer than {limits.block_bytes:,} bytes")
    if head_bytes is not None:
        del pending[_last_record_end(pending, quoted=quoted) :]
    if pending:
        yield Block(bytes(pending), line)


def _without_bom(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for index, chunk in enumerate(chunks):
        yield chunk if index else chunk.removeprefix(_BOM)


def _slices(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), size):
            yield chunk[start : start + size]


def _head(chunks: Iterable[bytes], text_bytes: int, head_bytes: int | None) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        if head_bytes is not None and total + len(chunk) >= head_bytes:
            yield chunk[: head_bytes - total]
            return
        total += len(chunk)
        if total > text_bytes:
            raise UnreadableLogError(f"the file holds more than {text_bytes:,} bytes of text")
        yield chunk


def _last_record_end(data: bytearray, *, quoted: bool) -> int:
    """Just after the last newline that an even number of quotes precedes, or the last of all if none is so.

    0 if there is no newline. A quote inside an unquoted field misleads the count, which matters only if the
    text has quoted line breaks as well.
    """
    last = data.rfind(b"\n")
    if not quoted:
        return last + 1
    end, quotes = last, data.count(b'"')
    quotes -= data.count(b'"', last + 1)
    while end >= 0 and quotes % 2:
        earlier = data.rfind(b"\n", 0, data.rfind(b'"', 0, end))
        quotes -= data.count(b'"', earlier + 1, end)
        end = earlier
    return (end if end >= 0 else last) + 1
