"""How the fields of a delimited log are quoted, and records in which quotes mean the same to every parser."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from _csv import Reader

_QUOTE, _NEWLINE, _RETURN = ord('"'), ord("\n"), ord("\r")
UNIT_SEPARATOR = "\x1f"
_BACKSLASH = re.compile(rb'\\(["\\])')


@dataclass(frozen=True, slots=True)
class Dialect:
    """How fields are separated and quoted.

    `quoted` follows RFC 4180: a field that begins with a quote ends at the next single one, and holds separators, line
    breaks and doubled quotes. A quote inside a field that begins otherwise is a letter like any other.
    """

    separator: str
    """A single character."""
    quoted: bool
    lines_may_look_like_rows: bool = False
    """Whether a quoted field may hold lines that look like rows, which otherwise is taken for a quote too many."""

    written: str | None = None
    """The separator in the file, where it has several characters."""

    def reader(self, lines: Iterable[str]) -> "Reader":
        """Return Python's reader, which counts lines as an editor does."""
        return csv.reader(
            lines,
            delimiter=self.separator,
            quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
            strict=True,
        )


def single_separators(chunks: Iterable[bytes], separator: bytes) -> Iterator[bytes]:
    """Replace a separator of several characters by one of a single character, `UNIT_SEPARATOR`."""
    kept = b""
    for chunk in chunks:
        data = (kept + chunk).replace(separator, UNIT_SEPARATOR.encode())
        begun = next(size for size in range(len(separator) - 1, -1, -1) if data.endswith(separator[:size]))
        data, kept = data[: len(data) - begun], data[len(data) - begun :]
        yield data
    if kept:
        yield kept


def doubled_quotes(chunks: Iterable[bytes]) -> Iterator[bytes]:
    r"""Replace `\"` by the doubled quote of RFC 4180, and `\\` by a backslash."""
    kept = b""
    for chunk in chunks:
        data = kept + chunk
        cut = len(data) - (len(data) - len(data.rstrip(b"\\"))) % 2
        data, kept = data[:cut], data[cut:]
        yield _BACKSLASH.sub(lambda match: b'""' if match[1] == b'"' else b"\\", data)
    if kept:
        yield kept


def is_quoted(head: bytes, separator: str) -> bool:
    """Whether the beginning of a log quotes its fields, in a format where quotes are usually letters.

    Every line must be regular, and there must be proof: a separator or a doubled quote within quotes, or a quoted field
    for every line.
    """
    data = head[: head.rfind(b"\n") + 1] or head
    if b'"' not in data or irregular_lines(data, separator).size:
        return False
    quotes, lines = data.count(b'"'), data.rstrip(b"\r\n").count(b"\n") + 1
    if quotes >= 2 * lines:
        return True
    mark = re.escape(separator.encode())
    return re.search(rb'(?m)(?:^|%b)"(?:[^"\n]|"")*(?:%b|"")' % (mark, mark), data) is not None


def irregular_lines(data: bytes, separator: str) -> npt.NDArray[np.int64]:
    """Return the numbers, from 0, of the lines with quotes whose meaning depends on more than their neighbours.

    On all other lines, quotes come in pairs that begin after a separator, or the beginning of the line, and end before
    one, or the end of the line; a pair that follows another at once is a quote within quotes.
    """
    letters = np.frombuffer(b"\n" + data + b"\n", dtype=np.uint8)
    quotes = np.flatnonzero(letters == _QUOTE)
    ends = np.flatnonzero(letters == _NEWLINE)[1:]
    lines = np.searchsorted(ends, quotes)
    opens = (np.arange(len(quotes)) - np.searchsorted(lines, lines)) % 2 == 0
    before, after = letters[quotes - 1], letters[quotes + 1]
    mark = ord(separator)
    ends_line = (after == _NEWLINE) | (
        (after == _RETURN) & (letters[np.minimum(quotes + 2, len(letters) - 1)] == _NEWLINE)
    )
    may_open = (before == mark) | (before == _NEWLINE) | (before == _QUOTE)
    may_close = (after == mark) | ends_line | (after == _QUOTE)
    odd = np.bincount(lines) % 2 == 1
    return np.unique(np.concatenate([lines[~np.where(opens, may_open, may_close)], np.flatnonzero(odd)]))
