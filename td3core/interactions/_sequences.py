"""Reading text with a user and all of its items in each line."""

import re
from dataclasses import dataclass

import polars as pl

from td3core.config import DataConfig
from td3core.errors import LogProblem, UnreadableLogError
from td3core.interactions._blocks import Block
from td3core.interactions._columns import Columns, find_columns, has_usual_names
from td3core.interactions._encoding import not_utf8
from td3core.interactions._problems import shown
from td3core.interactions._values import LINE

_FIELD = r"[^ \t\r]+"
_FIRST_LINES = 100
_MOST_LINES = 0.9
"""Share of the first lines that have a mark if it separates ids, for users with a single item have none."""
_MARKS = {":": "a colon", ",": "a comma", ";": "a semicolon", "|": "a bar", "[": "a bracket"}


@dataclass(frozen=True, slots=True)
class SequencesFormat:
    """Lines of a user and its items, in their order."""

    separator: str | None
    """Null for spaces and tabs, any number of them."""

    def parse(self, block: Block) -> pl.DataFrame | None:
        """Return users and items, as text; None if the block must be examined line by line."""
        if block.data.count(b"\r") != block.data.count(b"\r\n") + block.data.endswith(b"\r"):
            return None
        try:
            lines = pl.DataFrame({"line": block.data.decode().split("\n")})
        except UnicodeDecodeError:
            return None
        fields = lines.filter(pl.col("line").str.strip_chars(" \t\r") != "").select(
            pl.col("line").str.extract_all(_FIELD)
            if self.separator is None
            else pl.col("line").str.strip_chars_end("\r").str.split(self.separator)
        )
        if fields.select((pl.col("line").list.len() < 2).any()).item():
            return None
        return fields.select(user=pl.col("line").list.first(), item=pl.col("line").list.slice(1)).explode(
            "item"
        )

    def examine(
        self, block: Block, *, problems: int, records: int | None
    ) -> tuple[pl.DataFrame, list[LogProblem]]:
        """Return the interactions of well-formed lines with their line numbers, and the problems of the others."""
        found: list[LogProblem] = []
        rows: list[tuple[str, str, int]] = []
        for line, data in enumerate(block.data.split(b"\n"), start=block.line):
            if len(found) >= problems or (records is not None and len(rows) >= records):
                break
            if not data.strip(b" \t\r"):
                continue
            text = data.decode("utf-8", "backslashreplace")
            fields = self._fields(text)
            if b"\r" in data.rstrip(b"\r"):
                reason = "a line ends in a carriage return alone; expected a line feed at its end"
                found.append(LogProblem(reason, line, value=shown(text)))
            elif not _is_utf8(data):
                found.append(LogProblem(not_utf8(data), line, value=shown(text), field="data.encoding"))
            elif len(fields) < 2:
                apart = "spaces or tabs" if self.separator is None else repr(self.separator)
                reason = f"expected a user and at least one item, separated by {apart} (data.separator)"
                found.append(LogProblem(reason, line, value=shown(text), field="data.separator"))
            else:
                rows += [(fields[0], item, line) for item in fields[1:]]
        return pl.DataFrame(rows, {"user": pl.String, "item": pl.String, LINE: pl.Int64}, orient="row"), found

    def _fields(self, text: str) -> list[str]:
        if self.separator is None:
            return re.findall(_FIELD, text)
        return text.rstrip("\r").split(self.separator)


def open_sequences(first: Block, data: DataConfig) -> tuple[SequencesFormat, Columns]:
    """Return how the lines are read, and the names of the columns: `user` and `item`.

    Raises:
        UnreadableLogError: The first line is a header.
        MissingColumnError: The spec names another column.
    """
    text = SequencesFormat(data.separator)
    line = first.data.lstrip().partition(b"\n")[0].decode("utf-8", "replace")
    fields = [field.strip() for field in re.split(re.escape(data.separator or " ") + r"|\s+", line)]
    if line.startswith(("#", "%")):
        raise UnreadableLogError(
            f"the first line ({line[:60]!r}) is a comment; remove such lines",
            [LogProblem("the first line is a comment", 1)],
        )
    if has_usual_names(fields[:1], ["user"]):
        raise UnreadableLogError(
            f"the first line ({line[:60]!r}) is a header, but data.layout is sequences: expected a user and its items "
            "in every line",
            [LogProblem("the first line is a header", 1, field="data.layout")],
        )
    if data.separator is None:
        _refuse_other_layouts(first)
    return text, find_columns(["user", "item"], data, lambda column: [])


def _refuse_other_layouts(first: Block) -> None:
    """Refuse lines in which spaces are not all that separates ids: the rest would become part of them."""
    lines = first.data.decode("utf-8", "replace").split("\n")[:_FIRST_LINES]
    records = [fields for line in lines if len(fields := line.split()) > 1]
    for mark, what in _MARKS.items():
        marked = sum(any(mark in field for field in fields) for fields in records)
        if records and marked >= _MOST_LINES * len(records):
            raise UnreadableLogError(
                f"most of the first lines have {what} ({shown(' '.join(records[0]))}): expected a user and its items, "
                "with spaces or tabs between them. Write a space in its place, or set data.separator to ' ' if it is "
                "part of the ids",
                [LogProblem(f"most of the first lines have {what}", 1, field="data.separator")],
            )


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
