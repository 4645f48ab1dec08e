"""Text that is not UTF-8."""

import codecs
import re
from collections.abc import Generator, Iterable

from td3core.config import Encoding
from td3core.errors import LogProblem, UnreadableLogError

_UTF_16_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_HIGH = re.compile(rb"[\x80-\xff]+")


def as_utf8(chunks: Iterable[bytes], encoding: Encoding, *, may_be_cut: bool) -> Generator[bytes, None, None]:
    """Convert text to UTF-8; if it may be cut, a character that is not whole at its end is left out.

    Raises:
        UnreadableLogError: Some bytes are none of this encoding.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    done = 0
    for chunk in chunks:
        yield _decoded(decoder, chunk, encoding, done).encode()
        done += len(chunk)
    yield _decoded(decoder, b"", encoding, done, final=not may_be_cut).encode()


def check_encoding(head: bytes, encoding: Encoding) -> None:
    """Refuse what is not in the encoding that the spec names, as far as the beginning of the file shows.

    Raises:
        UnreadableLogError: It is in UTF-8, or in UTF-16 of unknown byte order.
    """
    if encoding == "utf-16" and head[:2] not in _UTF_16_MARKS:
        _refuse(
            "data.encoding is utf-16, but the file has no byte order mark; set it to utf-16-le or utf-16-be"
        )
    if encoding != "utf-8" and _HIGH.search(head) and is_utf8(head):
        _refuse(f"data.encoding is {encoding}, but the file is in UTF-8; leave it out")


def utf_16_of(head: bytes) -> str | None:
    """Return the name of the encoding if this is UTF-16, with or without a byte order mark."""
    if head[:2] in _UTF_16_MARKS:
        return "utf-16"
    if b"\x00" not in head:
        return None
    even, odd = any(head[:200:2]), any(head[1:200:2])
    return None if even == odd else "utf-16-le" if even else "utf-16-be"


def is_utf8(head: bytes) -> bool:
    """Whether the beginning of a file, which may end within a character, is UTF-8."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def not_utf8(data: bytes) -> str:
    """Why a line is refused, with what its encoding may be."""
    pairs = all(len(run) % 2 == 0 for run in _HIGH.findall(data))
    likely = "gb18030 (GBK), big5, cp932 or cp949" if pairs else "latin-1 or cp1252"
    return f"not valid UTF-8; save the file as UTF-8, or set data.encoding to what it is, such as {likely}"


def _decoded(
    decoder: codecs.IncrementalDecoder, chunk: bytes, encoding: Encoding, done: int, *, final: bool = False
) -> str:
    try:
        return decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        at = done + error.start
        what = error.object[error.start : error.start + 4].hex(" ")
        raise UnreadableLogError(
            f"the file is not {encoding} text, as data.encoding says: {error.reason} near byte {at:,} ({what})",
            [LogProblem(f"not {encoding} text", field="data.encoding", value=encoding)],
        ) from error


def _refuse(reason: str) -> None:
    raise UnreadableLogError(reason, [LogProblem(reason, field="data.encoding")])
