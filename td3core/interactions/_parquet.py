"""Reading Parquet."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from td3core.errors import UnreadableLogError
from td3core.interactions._columns import Columns, Role
from td3core.interactions._source import PARQUET_MAGIC
from td3core.interactions._values import LINE

_BATCH_ROWS = 1 << 18
_SAMPLE = 200
_LARGEST_FOOTER = 64 << 20  # bytes; 1000 columns in 1000 row groups take about as many
_FOOTER_END = struct.Struct("<I4s")  # its length, and the magic


def is_whole(path: Path) -> bool:
    """Whether the end of the file exists, without which nothing can be read."""
    with path.open("rb") as file:
        file.seek(-len(PARQUET_MAGIC), os.SEEK_END)
        return file.read() == PARQUET_MAGIC


def check_footer(path: Path) -> None:
    """Refuse a footer that is too large to be read, or that the file has no room for.

    Raises:
        UnreadableLogError: It is.
    """
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


def count_rows(path: Path) -> int:
    """Return the number of rows, as the footer has it.

    Raises:
        UnreadableLogError: The file is damaged.
    """
    try:
        return int(pl.scan_parquet(path).select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise UnreadableLogError(f"the Parquet file is damaged: {error}") from error


def parquet_schema(path: Path) -> pl.Schema:
    """Return the names and types of the columns.

    Raises:
        UnreadableLogError: The file is damaged.
    """
    try:
        return pl.scan_parquet(path).collect_schema()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise UnreadableLogError(f"the Parquet file is damaged: {error}") from error


def first_values(path: Path, schema: pl.Schema, column: str) -> list[str]:
    """Return the first values of a column as text; none if it has a type that no timestamp has."""
    dtype = schema[column]
    if not (dtype.is_integer() or dtype == pl.String or dtype == pl.Date or dtype == pl.Datetime):
        return []
    place = pl.nth(list(schema).index(column))
    try:
        head = pl.scan_parquet(path).select(place.cast(pl.String)).head(_SAMPLE).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise UnreadableLogError(f"the Parquet file is damaged: {error}") from error
    return head.to_series().drop_nulls().to_list()


def read_batches(
    path: Path, columns: Columns, schema: pl.Schema, rows: int | None, *, rules: int
) -> Iterator[pl.DataFrame]:
    """Yield the columns by role, with ids as text and row numbers from 1 in place of line numbers.

    Raises:
        UnreadableLogError: The type of a column does not suit its role, or the file is damaged.
    """
    names = columns.by_role()
    places = list(schema)  # by place, because a name may look like a pattern
    scan = pl.scan_parquet(path).select(
        _column(role, name, pl.nth(places.index(name)), schema[name], rules) for role, name in names.items()
    )
    if rows is not None:
        scan = scan.head(rows)
    line = 1
    try:
        for batch in scan.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True):
            yield batch.with_columns(pl.int_range(line, line + pl.len(), dtype=pl.Int64).alias(LINE))
            line += batch.height
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        if "invalid utf8" in str(error):
            binary = [name for name in names.values() if schema[name] == pl.Binary]
            raise UnreadableLogError(
                f"the column {' or '.join(binary)} has ids that are not UTF-8 text"
            ) from error
        raise UnreadableLogError(f"the Parquet file is damaged: {error}") from error


def _column(role: Role, name: str, column: pl.Expr, dtype: pl.DataType, rules: int) -> pl.Expr:
    column = column.alias(role)
    text = dtype == pl.String or dtype == pl.Categorical or dtype == pl.Enum
    whole = isinstance(dtype, pl.Decimal) and dtype.scale == 0
    if role in ("user", "item"):
        fits = text or dtype.is_integer() or dtype.is_float() or dtype == pl.Binary or whole
        wanted = "text or whole numbers"
        column = column if dtype.is_float() else column.cast(pl.String)
    elif role == "timestamp":
        fits = text or dtype.is_numeric() or dtype == pl.Date or dtype == pl.Datetime
        wanted = "numbers, dates or text"
    else:
        fits, wanted = text or dtype.is_numeric(), "numbers"
    if not fits:
        raise UnreadableLogError(f"the {role} column {name!r} has type {dtype}; expected {wanted}")
    if dtype.is_decimal() and role in ("timestamp", "rating"):
        return column.cast(pl.Int128 if whole and rules > 1 else pl.Float64)
    return column.cast(pl.String) if text else column
