"""Reading Parquet."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from td3core.errors import LogTooLargeError, UnreadableLogError
from td3core.interactions._blocks import Limits
from td3core.interactions._columns import Columns
from td3core.interactions._footer import Footer, mean_of_dictionary, read_footer
from td3core.interactions._source import PARQUET_MAGIC
from td3core.interactions._table import LONGEST_VALUE, SAMPLE, Selection, no_text
from td3core.interactions._values import LINE

_BATCH_ROWS = 1 << 18
_LARGEST_FOOTER = 64 << 20  # bytes; 1000 columns in 1000 row groups take about as many
_FOOTER_END = struct.Struct("<I4s")  # its length, and the magic
_DAMAGED = (pl.exceptions.PolarsError, pl.exceptions.PanicException)


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """A Parquet file."""

    path: Path
    schema: pl.Schema
    footer: Footer
    form: str = "Parquet"

    def check_sizes(self, columns: Columns, limits: Limits, *, whole: bool) -> None:
        """Check what these columns will take before any of it is read, to the end if `whole`.

        Raises:
            LogTooLargeError: All together need more memory than the limits allow.
            UnreadableLogError: A row group does, which is decompressed as a whole, or a dictionary has long values.
        """
        least = 0
        with self.path.open("rb") as file:
            for name in columns.by_role().values():
                for number, chunk in enumerate(self.footer.chunks.get(name, []), start=1):
                    least += chunk.size
                    if chunk.size > limits.chunk_bytes:
                        raise UnreadableLogError(
                            f"the column {name!r} has {chunk.size:,} bytes without compression in row group {number}; "
                            f"expected at most {limits.chunk_bytes:,}. Write the file with smaller row groups"
                        )
                    if (mean := mean_of_dictionary(file, chunk)) > LONGEST_VALUE:
                        raise UnreadableLogError(
                            f"the column {name!r} has values of {mean:,.0f} bytes on average in row group {number}; "
                            f"expected at most {LONGEST_VALUE:,}"
                        )
        if whole and least > limits.log_bytes:
            raise LogTooLargeError(
                f"the columns of the log have {least:,} bytes without compression, more than {limits.log_bytes:,}"
            )

    def count_rows(self) -> int:
        """Return the number of rows, as the footer has it."""
        try:
            return int(pl.scan_parquet(self.path).select(pl.len()).collect().item())
        except _DAMAGED as error:
            raise _damaged(error) from error

    def first_values(self, column: str) -> pl.Series:
        """Return the first values of a column."""
        place = pl.nth(list(self.schema).index(column))
        try:
            return pl.scan_parquet(self.path).select(place).head(SAMPLE).collect().to_series()
        except _DAMAGED as error:
            raise _damaged(error) from error

    def batches(self, columns: Columns, rows: int | None, *, rules: int) -> Iterator[pl.DataFrame]:
        """Yield the columns by role, with ids as text and row numbers from 1 in place of line numbers.

        Raises:
            UnreadableLogError: The type of a column does not suit its role, or the file is damaged.
        """
        selection = Selection(columns, self.schema, rules)
        converted = selection.converted()
        scan = pl.scan_parquet(self.path).select(selection.picked())
        if rows is not None:
            scan = scan.head(rows)
        line = 1
        try:
            for batch in scan.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True):
                selection.check_lengths(batch)
                number = pl.int_range(line, line + pl.len(), dtype=pl.Int64).alias(LINE)
                yield batch.select(converted).with_columns(number)
                line += batch.height
        except _DAMAGED as error:
            if "invalid utf8" in str(error):
                raise no_text(columns, self.schema) from error
            raise _damaged(error) from error


def open_parquet(path: Path) -> ParquetTable:
    """Read the footer.

    Raises:
        UnreadableLogError: It is damaged, or too large to be read at all.
    """
    footer = _footer(path)
    try:
        return ParquetTable(path, pl.scan_parquet(path).collect_schema(), footer)
    except _DAMAGED as error:
        raise _damaged(error) from error


def is_whole(path: Path) -> bool:
    """Whether the end of the file exists, without which nothing can be read."""
    with path.open("rb") as file:
        file.seek(-len(PARQUET_MAGIC), os.SEEK_END)
        return file.read() == PARQUET_MAGIC


def _footer(path: Path) -> Footer:
    size = path.stat().st_size
    if size < _FOOTER_END.size + len(PARQUET_MAGIC) or not is_whole(path):
        raise UnreadableLogError("the Parquet file is damaged: it has no footer")
    with path.open("rb") as file:
        file.seek(-_FOOTER_END.size, os.SEEK_END)
        length, _ = _FOOTER_END.unpack(file.read())
    if length > size - _FOOTER_END.size:
        raise UnreadableLogError("the Parquet file is damaged: its footer is longer than the file")
    if length > _LARGEST_FOOTER:
        raise UnreadableLogError(
            f"the footer of the Parquet file has {length:,} bytes; expected at most {_LARGEST_FOOTER:,}. Write the "
            "file with fewer columns or larger row groups"
        )
    with path.open("rb") as file:
        file.seek(-_FOOTER_END.size - length, os.SEEK_END)
        data = file.read(length)
    try:
        return read_footer(data)
    except ValueError as error:
        raise UnreadableLogError(f"the footer of the Parquet file cannot be read: {error}") from error


def _damaged(error: BaseException) -> UnreadableLogError:
    return UnreadableLogError(f"the Parquet file is damaged: {error}")
