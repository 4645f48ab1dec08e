"""Splitting a text log into blocks of whole records, so that memory use does not depend on the file size."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from td3core.errors import UnreadableLogError

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the size of a log, which also stop decompression bombs."""

    text_bytes: int = 64 << 30
    """Maximum size of the decompressed text."""
    expansion: int = 200
    """Maximum ratio of decompressed text to file size, for texts larger than `modest_bytes`."""
    modest_bytes: int = 256 << 20
    """Size of decompressed text that is allowed whatever the ratio."""
    log_bytes: int = 8 << 30
    """Maximum size of the columns in memory: about 200 million interactions with short ids."""
    block_bytes: int = 16 << 20
    """Size of a block, and maximum length of a line."""
    chunk_bytes: int = 1 << 30
    """Maximum size of a column in a row group of a Parquet file, without compression."""
    columns: int = 1000
    """Maximum number of columns, or of different keys of JSON objects."""

    def text_of(self, file_bytes: int) -> int:
        """Maximum size of the text in a file of this size."""
        return min(self.text_bytes, max(self.modest_bytes, self.expansion * file_bytes))


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records of a text log, with the number of the first line."""

    data: bytes
    line: int


def cut_blocks(
    chunks: Iterable[bytes],
    file_bytes: int,
    limits: Limits,
    *,
    quoted: bool,
    head_bytes: int | None,
    unit: str = "line",
) -> Iterator[Block]:
    """Split at line ends, outside quotes if the text is `quoted`; drop the incomplete last line of a head.

    `unit` is what a line stands for.

    Raises:
        UnreadableLogError: The text or one of its lines exceeds the limits.
    """
    pending, line = bytearray(), 1
    pieces = slices(_without_bom(chunks), limits.block_bytes)
    for chunk in _head(pieces, limits.text_of(file_bytes), head_bytes):
        pending += chunk
        if len(pending) < limits.block_bytes:
            continue
        end = _last_record_end(pending, quoted=quoted)
        if end:
            yield Block(bytes(pending[:end]), line)
            line += pending.count(b"\n", 0, end)
            del pending[:end]
        elif len(pending) > 2 * limits.block_bytes:
            raise UnreadableLogError(f"{unit} {line} is longer than {limits.block_bytes:,} bytes")
    if head_bytes is not None:
        end = _last_record_end(pending, quoted=quoted)
        if line == 1 and not end and len(pending) >= head_bytes:
            raise UnreadableLogError(
                f"{unit} 1 is longer than {head_bytes:,} bytes, which are looked at in a log that is too large to be "
                "looked at as a whole"
            )
        del pending[end:]
    if pending:
        yield Block(bytes(pending), line)


def _without_bom(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for index, chunk in enumerate(chunks):
        yield chunk if index else chunk.removeprefix(BOM)


def slices(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Cut into pieces of at most this many bytes."""
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
            raise UnreadableLogError(f"the file contains more than {text_bytes:,} bytes of text")
        yield chunk


def _last_record_end(data: bytearray, *, quoted: bool) -> int:
    """Return the position after the last newline that is preceded by an even number of quotes.

    If there is no such newline, the last newline of all counts; without any newline, the result is 0. A quote inside
    an unquoted field makes the count wrong, which matters only if the text also has quoted line breaks.
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
