"""Reading Arrow IPC: files (Feather) and streams."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from td3core.errors import LogTooLargeError, UnreadableLogError
from td3core.interactions._arrow_messages import STREAM_MAGIC, Message, is_file, messages, messages_of_file
from td3core.interactions._blocks import Limits
from td3core.interactions._columns import Columns, check_width
from td3core.interactions._table import SAMPLE, Selection, no_text
from td3core.interactions._values import LINE

_END = STREAM_MAGIC + bytes(4)
_GROUP_BYTES = 16 << 20
"""Batches are read together up to this size, because dictionaries are read anew with each group."""
_BATCH_ROWS = 1 << 18
_DAMAGED = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)  # the last of LZ4 and zstd


@dataclass(frozen=True, slots=True)
class ArrowTable:
    """An Arrow IPC file or stream, of which a few batches are in memory at a time."""

    path: Path
    schema: pl.Schema
    rows: int
    is_file: bool
    may_be_cut: bool
    form: str = "Arrow"

    def check_sizes(self, columns: Columns, limits: Limits, *, whole: bool) -> None:
        """Nothing more: all sizes were looked at when the file was opened."""

    def count_rows(self) -> int:
        """Return the number of rows, as the heads of the batches have it."""
        return self.rows

    def first_values(self, column: str) -> pl.Series:
        """Return the first values of a column."""
        return next((frame.to_series().head(SAMPLE) for frame in self._frames([column])), pl.Series())

    def batches(self, columns: Columns, rows: int | None, *, rules: int) -> Iterator[pl.DataFrame]:
        """Yield the columns by role, with ids as text and row numbers from 1 in place of line numbers.

        Raises:
            UnreadableLogError: The type of a column does not suit its role, or the file is damaged.
        """
        names = columns.by_role().values()
        used = pl.Schema({name: dtype for name, dtype in self.schema.items() if name in names})
        selection = Selection(columns, used, rules)
        picked, converted = selection.picked(), selection.converted()
        line = 1
        for frame in self._frames(list(used)):
            if rows is not None and line > rows:
                return
            try:
                batch = frame.select(picked)
                selection.check_lengths(batch)
                batch = batch.select(converted)
            except _DAMAGED as error:
                if "utf8" in str(error).lower():
                    raise no_text(columns, self.schema) from error
                raise _damaged(error) from error
            yield batch.with_columns(pl.int_range(line, line + pl.len(), dtype=pl.Int64).alias(LINE))
            line += batch.height
        if rows is None and line <= self.rows:
            raise UnreadableLogError(
                f"the Arrow data are damaged: {line - 1:,} of {self.rows:,} rows can be read"
            )

    def _frames(self, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        places = [place for place, name in enumerate(self.schema) if name in names]
        return self._of_file(places) if self.is_file else self._of_stream(places)

    def _of_file(self, places: list[int]) -> Iterator[pl.DataFrame]:
        scan = pl.scan_ipc(self.path).select(pl.nth(places))
        try:
            yield from scan.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True)
        except _DAMAGED as error:
            raise _damaged(error) from error

    def _of_stream(self, places: list[int]) -> Iterator[pl.DataFrame]:
        """Yield some batches at a time, each time as a stream of their own with the schema and dictionaries."""
        before: list[Message] = []
        group: list[Message] = []
        for message in messages(self.path, may_be_cut=self.may_be_cut):
            full = sum(batch.unpacked for batch in group) >= _GROUP_BYTES
            if group and (full or message.kind != "batch"):
                yield _frame(self.path, [*before, *group], places)
                group.clear()
            if message.kind == "dictionary" and not message.delta:
                before = [
                    one for one in before if one.kind == "schema" or one.dictionary != message.dictionary
                ]
            (group if message.kind == "batch" else before).append(message)
        if group:
            yield _frame(self.path, [*before, *group], places)


def open_arrow(path: Path, limits: Limits, *, may_be_cut: bool) -> ArrowTable:
    """Look at the footer, and at the heads of all messages, before any of them is read.

    Raises:
        LogTooLargeError: They claim more than the limits allow.
        UnreadableLogError: The file is damaged.
    """
    most = limits.text_of(path.stat().st_size)
    of_file = is_file(path)
    schema: Message | None = None
    rows = unpacked = 0
    for message in messages_of_file(path) if of_file else messages(path, may_be_cut=may_be_cut):
        if schema is None:
            schema = message
            check_width(message.columns, limits.columns)
        if (message.kind == "schema") != (message is schema):
            raise UnreadableLogError("the Arrow data are damaged: there is not one schema at their beginning")
        if message.rows < 0 or message.unpacked < 0:
            raise UnreadableLogError("the Arrow data are damaged: a size is negative")
        rows += message.rows
        unpacked += message.unpacked
        if unpacked > most:
            raise LogTooLargeError(f"the Arrow data are more than {most:,} bytes when decompressed")
    if schema is None:
        raise UnreadableLogError("the Arrow data are truncated: they have no schema")
    try:
        columns = pl.scan_ipc(path).collect_schema() if of_file else _frame(path, [schema]).schema
    except _DAMAGED as error:
        raise _damaged(error) from error
    return ArrowTable(path, columns, rows, of_file, may_be_cut)


def _frame(path: Path, parts: list[Message], places: list[int] | None = None) -> pl.DataFrame:
    """Read these messages as a stream: the columns at these places, or all."""
    with path.open("rb") as file:
        stream = io.BytesIO()
        for part in parts:
            file.seek(part.start)
            stream.write(file.read(part.size))
    stream.write(_END)
    stream.seek(0)
    try:
        return pl.read_ipc_stream(stream, columns=places)
    except _DAMAGED as error:
        raise _damaged(error) from error


def _damaged(error: BaseException) -> UnreadableLogError:
    return UnreadableLogError(f"the Arrow data are damaged: {error}")
