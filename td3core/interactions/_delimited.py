"""Reading CSV, TSV and RecBole's `.inter`."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from td3core.errors import LogProblem, UnreadableLogError
from td3core.interactions._blocks import Block
from td3core.interactions._columns import Role
from td3core.interactions._problems import shown
from td3core.interactions._values import LINE

if TYPE_CHECKING:
    from _csv import Reader

_SEPARATORS = ",;\t|"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How fields are separated and quoted."""

    separator: str
    quoted: bool

    def reader(self, text: str) -> "Reader":
        """Return Python's reader, which counts lines as an editor does."""
        return csv.reader(
            io.StringIO(text, newline=""),
            delimiter=self.separator,
            quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
            strict=True,
        )


def guess_separator(block: Block) -> str:
    """Return the separator that is most frequent in the first line; a comma if there is none."""
    first = block.data.strip().partition(b"\n")[0]
    return max(_SEPARATORS, key=lambda separator: first.count(separator.encode()))


def take_header(block: Block, dialect: Dialect) -> tuple[list[str], Block]:
    """Return the column names and the rest of the block.

    Raises:
        UnreadableLogError: The first record is not text.
    """
    try:
        reader = dialect.reader(block.data.decode("utf-8", "surrogateescape"))
        header = next(record for record in reader if record)
        "".join(header).encode()
    except (csv.Error, UnicodeEncodeError) as error:
        raise UnreadableLogError(
            f"the first line is not a header with column names in UTF-8: {error}"
        ) from error
    lines = block.data.splitlines(keepends=True)  # splits bytes at \n, \r and \r\n alone, as the reader does
    rest = b"".join(lines[reader.line_num :])
    return header, Block(rest, block.line + reader.line_num)


@dataclass(frozen=True, slots=True)
class DelimitedFormat:
    """Records of delimited text after the header."""

    dialect: Dialect
    header: Sequence[str]
    positions: dict[Role, int]

    def parse(self, block: Block) -> pl.DataFrame | None:
        """Return the columns by role, as text; None if the block must be examined line by line."""
        data = block.data.rstrip(b"\r\n")
        names = [str(index) for index in range(len(self.header))]
        if not data:
            return pl.DataFrame(schema=dict.fromkeys(self.positions, pl.String))
        try:
            frame = pl.read_csv(
                data,
                has_header=False,
                schema=dict.fromkeys(names, pl.String),
                separator=self.dialect.separator,
                quote_char='"' if self.dialect.quoted else None,
            )
        except pl.exceptions.PolarsError:
            return None
        # polars fills short lines with nulls
        if self.dialect.quoted and b'"' in data:
            whole = not frame[names[-1]].has_nulls()
        else:
            whole = data.count(self.dialect.separator.encode()) == frame.height * (len(names) - 1)
        if not whole:
            return None
        return frame.select(pl.col(names[index]).alias(role) for role, index in self.positions.items())

    def examine(self, block: Block) -> tuple[pl.DataFrame, list[LogProblem]]:
        """Return the well-formed records with their line numbers, and the problems of the others."""
        problems: list[LogProblem] = []
        rows: list[list[str | int]] = []
        for line, record in self._records(block, problems):
            values: list[str | int] = [record[index] for index in self.positions.values()]
            rows.append([*values, line])
        schema = {**dict.fromkeys(self.positions, pl.String()), LINE: pl.Int64()}
        return pl.DataFrame(rows, schema=schema, orient="row"), problems

    def _records(self, block: Block, problems: list[LogProblem]) -> Iterator[tuple[int, list[str]]]:
        reader = self.dialect.reader(block.data.decode("utf-8", "surrogateescape"))
        while True:
            line = block.line + reader.line_num
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                problems.append(LogProblem(f"malformed: {error}", line))
                continue
            if not record:
                continue
            text = self.dialect.separator.join(record)
            if len(record) != len(self.header):
                reason = f"expected {len(self.header)} fields as in the header, got {len(record)}"
                problems.append(LogProblem(reason, line, value=shown(_escaped(text))))
            elif not _is_unicode(text):
                problems.append(LogProblem("not valid UTF-8", line, value=shown(_escaped(text))))
            else:
                yield line, record


def _escaped(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
