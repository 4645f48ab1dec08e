"""Reading CSV, TSV and RecBole's `.inter`."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from td3core.config import DataConfig
from td3core.errors import LogProblem, LogTooSmallError, UnreadableLogError
from td3core.interactions._blocks import Block
from td3core.interactions._columns import Role, check_width, has_usual_names
from td3core.interactions._encoding import not_utf8
from td3core.interactions._problems import shown
from td3core.interactions._quoting import Dialect, irregular_lines
from td3core.interactions._values import LINE

_SEPARATORS = ",;\t|"
_TOLD = re.compile(r"sep=[,;\t|]")
"""The line by which Excel tells the separator."""
_SAMPLE = 200
_SAMPLE_BYTES = 1 << 20
_VALUE = re.compile(r"-?\d+(\.\d+)?|\d{4}-\d{2}-\d{2}([T ].*)?")
_MIN_DATA = 2
_FIRST_LINE = re.compile(rb"[\r\n]*([^\r\n]*)")
_LONGEST_QUOTED_HEADER = 1 << 20  # bytes


def guess_separator(head: bytes) -> str:
    """Return the separator that is most frequent in the first line; a comma if there is none."""
    first = head.strip().partition(b"\n")[0]
    return max(_SEPARATORS, key=lambda separator: first.count(separator.encode()))


def take_header(block: Block, dialect: Dialect, *, most: int) -> tuple[list[str], Block]:
    """Return the column names and the rest of the block.

    Raises:
        UnreadableLogError: The first record is not text, or has more than `most` columns.
    """
    _check_header(block.data, dialect, most)
    lines = _Lines(block)
    try:
        reader = dialect.reader(lines)
        records = (record for record in reader if record)
        header = next(records)
        if _TOLD.fullmatch(dialect.separator.join(header)):
            header = next(records)
    except StopIteration:
        raise LogTooSmallError("the file has only a line that tells the separator") from None
    except csv.Error as error:
        raise UnreadableLogError(f"the first line is not a header with column names: {error}") from error
    if not _is_unicode("".join(header)):
        reason = not_utf8("".join(header).encode("utf-8", "surrogateescape"))
        raise UnreadableLogError(
            f"the first line, with the column names, is {reason}",
            [LogProblem(reason, reader.line_num, field="data.encoding")],
        )
    check_width(len(header), most)
    size = sum(len(line.encode("utf-8", "surrogateescape")) for line in lines.taken)
    return header, Block(block.data[size:], block.line + reader.line_num)


def check_header(
    header: list[str], records: Sequence[Sequence[str]], data: DataConfig, *, separator: str
) -> None:
    """Check that the first line is a header, or none if the spec has the names. `records` are the first ones after it.

    A first line is an interaction if at least two fields, or the one that is to be the timestamp, are numbers or dates,
    none has a usual name, and they do not count from 0.

    Raises:
        UnreadableLogError: The first line has a single field, is a comment, or is an interaction. In spite of
            `data.header`, it looks like a header or has another number of fields.
    """
    first = header if data.header is None else records[0] if records else None
    if first is not None and (len(first) == 1 or _is_comment(first)):
        raise UnreadableLogError(
            f"the first line ({first[0][:60]!r}) {_what_it_is(first, separator)}",
            [
                LogProblem(
                    "the first line cannot be divided into fields",
                    1,
                    field="dataset" if _is_comment(first) else "data.separator",
                    value=shown(first[0]),
                )
            ],
        )
    if data.header is None:
        values = [name for name in header if _VALUE.fullmatch(name.strip())]
        counted = [str(index) for index in range(len(header))]
        named = has_usual_names(header, ["user"]) or has_usual_names(header, ["item"])
        if (len(values) >= _MIN_DATA or data.columns.timestamp in values) and not named and header != counted:
            raise UnreadableLogError(
                f"the first line looks like an interaction, not like a header ({', '.join(header)[:100]}); give the "
                f"names of its {len(header)} fields in data.header, or add a first line with them",
                [LogProblem("the first line is not a header", 1, field="data.header")],
            )
    elif records and has_usual_names(records[0], ["user", "item"]):
        raise UnreadableLogError(
            f"data.header has column names, but the log has its own in the first line ({', '.join(records[0])[:100]}); "
            "leave out data.header and name the columns in data.columns",
            [LogProblem("the log has a header line", 1, field="data.header")],
        )
    elif records and len(records[0]) != len(header):
        raise UnreadableLogError(
            f"data.header has {len(header)} names, but the first line has {len(records[0])} fields",
            [LogProblem("another number of fields than in data.header", 1, field="data.header")],
        )


def _is_comment(fields: Sequence[str]) -> bool:
    return fields[0].lstrip().startswith(("#", "%")) and not has_usual_names(fields, ["user"])


def _what_it_is(fields: Sequence[str], separator: str) -> str:
    if _is_comment(fields):
        return "is a comment; remove such lines"
    names = {"::": "two colons", "\t": "tabs", ",": "commas", ";": "semicolons", " ": "spaces"}
    for other, name in names.items():
        if other != separator and other in fields[0].strip():
            return (
                f"seems to have its fields separated by {name}; set data.separator to {other!r}, or data.layout to "
                "sequences if each line is a user and all of its items"
            )
    return "has a single field; expected at least a user and an item, or set data.separator"


def first_records(block: Block, dialect: Dialect) -> list[list[str]]:
    """Return the first records, up to one that is malformed."""
    records: list[list[str]] = []
    with suppress(csv.Error):
        for record in dialect.reader(_Lines(Block(block.data[:_SAMPLE_BYTES], 1))):
            if record:
                records.append(record)
            if len(records) == _SAMPLE:
                break
    return records


def _check_header(data: bytes, dialect: Dialect, most: int) -> None:
    """Refuse a header of many columns before any of them becomes an object."""
    found = _FIRST_LINE.match(data)
    line = found[1] if found else b""
    if not dialect.quoted or b'"' not in line:
        check_width(line.count(dialect.separator.encode()) + 1, most)
    elif len(line) > _LONGEST_QUOTED_HEADER:
        raise UnreadableLogError(
            f"the first line has {len(line):,} bytes; expected a header with column names, of at most "
            f"{_LONGEST_QUOTED_HEADER:,} bytes"
        )


@dataclass(frozen=True, slots=True)
class DelimitedFormat:
    """Records of delimited text after the header."""

    dialect: Dialect
    header: Sequence[str]
    positions: dict[Role, int]

    def parse(self, block: Block) -> pl.DataFrame | None:
        """Return the columns by role, as text; None if the block must be examined line by line."""
        data = block.data.rstrip(b"\r\n")
        if not data:
            return pl.DataFrame(schema=dict.fromkeys(self.positions, pl.String))
        if data.count(b"\r") != data.count(b"\r\n"):  # polars takes a single \r for a letter
            return None
        quoted = self.dialect.quoted and b'"' in data
        if quoted:
            regular = self._regular(data)
            if regular is None:
                return None
            data = regular
        names = [str(index) for index in range(len(self.header))]
        try:
            frame = pl.read_csv(
                data,
                has_header=False,
                schema=dict.fromkeys(names, pl.String),
                separator=self.dialect.separator,
                quote_char='"' if quoted else None,
            )
        except pl.exceptions.PolarsError:
            return None
        # polars fills short lines with nulls
        separators = frame.height * (len(names) - 1)
        if quoted:
            whole = not frame[names[-1]].has_nulls() or self._separators_outside_quotes(data) == separators
        else:
            whole = data.count(self.dialect.separator.encode()) == separators
        if not whole:
            return None
        return frame.select(pl.col(names[index]).alias(role) for role, index in self.positions.items())

    def _regular(self, data: bytes) -> bytes | None:
        """Return the records with only such quotes as every parser understands alike; None if one is malformed.

        Records with other quotes, or over several lines, are read by Python's reader and written anew, as one line that
        has only the fields in use.
        """
        irregular = irregular_lines(data, self.dialect.separator)
        if not irregular.size:
            return data
        lines = data.split(b"\n")
        regular: list[bytes] = []
        done = 0
        for line in irregular.tolist():
            if line < done:  # in a record that began earlier
                continue
            try:
                reader = self.dialect.reader(lines[at].decode() + "\n" for at in range(line, len(lines)))
                record = next(reader)
            except (csv.Error, UnicodeDecodeError):
                return None
            end = line + reader.line_num
            if len(record) != len(self.header) or self._swallowed(record, lines[line:end]):
                return None
            fields = ["0"] * len(record)  # anything but an empty last field
            for index in self.positions.values():
                if "\n" in record[index]:
                    return None
                fields[index] = '"' + record[index].replace('"', '""') + '"'
            regular += lines[done:line]
            regular.append(self.dialect.separator.join(fields).encode())
            done = end
        return b"\n".join(regular + lines[done:])

    def _separators_outside_quotes(self, data: bytes) -> int:
        letters = np.frombuffer(data, dtype=np.uint8)
        separators = np.flatnonzero(letters == ord(self.dialect.separator))
        quotes = np.flatnonzero(letters == ord('"'))
        return int(np.count_nonzero(np.searchsorted(quotes, separators) % 2 == 0))

    def _swallowed(self, record: Sequence[str], lines: Sequence[bytes]) -> bool:
        """Whether a line of this record looks like a record of its own; its first line, which also does, is left out.

        Where the first line begins with a quote, so do lines that look like it.
        """
        if self.dialect.lines_may_look_like_rows:
            return False
        first, *others = lines
        if "\n" in record[0]:  # whose last line has all the other fields in any case
            others = others[:-1]
        return any(
            self._looks_like_a_row(line)
            for line in others
            if line.startswith(b'"') or not first.startswith(b'"')
        )

    def _looks_like_a_row(self, line: bytes) -> bool:
        fields = line.rstrip(b"\r\n").split(self.dialect.separator.encode())
        if len(fields) != len(self.header):
            return False
        values = {role: fields[index].strip(b'"') for role, index in self.positions.items()}
        ids = (values["user"], values["item"])
        return all(len(value.split()) == 1 for value in ids) and values.get("timestamp", b"0")[:1].isdigit()

    def examine(
        self, block: Block, *, problems: int, records: int | None
    ) -> tuple[pl.DataFrame, list[LogProblem]]:
        """Return the well-formed records with their line numbers, and the problems of the others."""
        found: list[LogProblem] = []
        rows: list[list[str | int]] = []
        for line, record in self._records(block):
            if isinstance(record, LogProblem):
                found.append(record)
            else:
                values: list[str | int] = [record[index] for index in self.positions.values()]
                rows.append([*values, line])
            if len(found) == problems or len(rows) == records:
                break
        schema = {**dict.fromkeys(self.positions, pl.String()), LINE: pl.Int64()}
        return pl.DataFrame(rows, schema=schema, orient="row"), found

    def _records(self, block: Block) -> Iterator[tuple[int, list[str] | LogProblem]]:
        """Yield every record that is not blank, or what is wrong with it."""
        lines = _Lines(block)
        reader = self.dialect.reader(lines)
        while True:
            line = block.line + reader.line_num
            lines.taken.clear()
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                reason = f"malformed: {error}; data.quoting says how quotes are read"
                yield line, LogProblem(reason, line, value=self._shown(lines.taken[0]), field="data.quoting")
                continue
            if not record:
                continue
            text = (self.dialect.written or self.dialect.separator).join(record)
            raw = [part.encode("utf-8", "surrogateescape") for part in lines.taken]
            if self._swallowed(record, raw):
                reason = (
                    f"a quoted field that begins here takes in {len(raw) - 1} more lines, which look like rows; set "
                    'data.quoting to none if quotes are letters, to backslash if \\" is a quote within quotes, or to '
                    "standard if the field is right"
                )
                yield line, LogProblem(reason, line, value=self._shown(lines.taken[0]), field="data.quoting")
            elif len(record) != len(self.header):
                reason = f"expected {len(self.header)} fields as in the header, got {len(record)}"
                yield line, LogProblem(reason, line, value=self._shown(text))
            elif not _is_unicode(text):
                reason = not_utf8(b"".join(raw))
                yield line, LogProblem(reason, line, value=self._shown(text), field="data.encoding")
            else:
                yield line, record

    def _shown(self, text: str) -> str | None:
        if self.dialect.written is not None:
            text = text.replace(self.dialect.separator, self.dialect.written)
        return shown(
            text.rstrip("\r\n").encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        )


class _Lines:
    r"""The lines one after the other, which end at \n, \r and \r\n alone; those taken are kept until cleared."""

    def __init__(self, block: Block) -> None:
        self._text = io.StringIO(block.data.decode("utf-8", "surrogateescape"), newline="")
        self.taken: list[str] = []

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = next(self._text)
        self.taken.append(line)
        return line


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
