"""Reading Parquet."""

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from td3core.errors import LogTooLargeError, UnreadableLogError
from td3core.interactions._blocks import Limits
from td3core.interactions._columns import Columns, Role
from td3core.interactions._footer import Footer, mean_of_dictionary, read_footer
from td3core.interactions._source import PARQUET_MAGIC
from td3core.interactions._values import LINE

_BATCH_ROWS = 1 << 18
_SAMPLE = 200
_SHOWN = 100  # characters of a sample
_LONGEST_VALUE = 4096  # bytes of an id; a dictionary can repeat one of any length for nothing
_LARGEST_FOOTER = 64 << 20  # bytes; 1000 columns in 1000 row groups take about as many
_LARGEST_PARSED = 8 << 20  # bytes, some ten seconds
_FOOTER_END = struct.Struct("<I4s")  # its length, and the magic


def is_whole(path: Path) -> bool:
    """Whether the end of the file exists, without which nothing can be read."""
    with path.open("rb") as file:
        file.seek(-len(PARQUET_MAGIC), os.SEEK_END)
        return file.read() == PARQUET_MAGIC


def open_footer(path: Path) -> Footer | None:
    """Return the sizes that the footer tells; None if it is too large to be understood in good time.

    Raises:
        UnreadableLogError: It is damaged, too large to be read at all, or the file has no room for it.
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
    if length > _LARGEST_PARSED:
        return None
    with path.open("rb") as file:
        file.seek(-_FOOTER_END.size - length, os.SEEK_END)
        data = file.read(length)
    try:
        return read_footer(data)
    except ValueError as error:
        raise UnreadableLogError(
            f"the Parquet file is damaged: its footer cannot be read ({error})"
        ) from error


def check_sizes(path: Path, footer: Footer, names: Iterable[str], limits: Limits, *, whole: bool) -> None:
    """Check what these columns will take, before any of it is read.

    Args:
        path: The file.
        footer: Its sizes.
        names: The columns that will be read.
        limits: Limits on them.
        whole: Whether they will be read to the end.

    Raises:
        LogTooLargeError: All together need more memory than the limits allow.
        UnreadableLogError: A row group does, which is decompressed as a whole, or a dictionary has long values.
    """
    least = 0
    with path.open("rb") as file:
        for name in names:
            for number, chunk in enumerate(footer.chunks.get(name, []), start=1):
                least += chunk.size
                if chunk.size > limits.chunk_bytes:
                    raise UnreadableLogError(
                        f"the column {name!r} has {chunk.size:,} bytes without compression in row group {number}; "
                        f"expected at most {limits.chunk_bytes:,}. Write the file with smaller row groups"
                    )
                if (mean := mean_of_dictionary(file, chunk)) > _LONGEST_VALUE:
                    raise UnreadableLogError(
                        f"the column {name!r} has values of {mean:,.0f} bytes on average in row group {number}; "
                        f"expected at most {_LONGEST_VALUE:,}"
                    )
    if whole and least > limits.log_bytes:
        raise LogTooLargeError(
            f"the columns of the log have {least:,} bytes without compression, more than {limits.log_bytes:,}"
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
        scan = pl.scan_parquet(path).select(place).head(_SAMPLE)
        head = scan.select(pl.first().cast(pl.String).str.slice(0, _SHOWN)).collect()
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
    texts = [_column(role, name, pl.col(role), schema[name], rules) for role, name in names.items()]
    scan = pl.scan_parquet(path).select(
        pl.nth(places.index(name)).alias(role) for role, name in names.items()
    )
    if rows is not None:
        scan = scan.head(rows)
    line = 1
    try:
        for batch in scan.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True):
            _check_lengths(batch, names)
            number = pl.int_range(line, line + pl.len(), dtype=pl.Int64).alias(LINE)
            yield batch.select(texts).with_columns(number)
            line += batch.height
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        if "invalid utf8" in str(error):
            binary = [name for name in names.values() if schema[name] == pl.Binary]
            raise UnreadableLogError(
                f"the column {' or '.join(binary)} has ids that are not UTF-8 text"
            ) from error
        raise UnreadableLogError(f"the Parquet file is damaged: {error}") from error


def _check_lengths(batch: pl.DataFrame, names: dict[Role, str]) -> None:
    """Refuse long values while those of a dictionary are still in memory once, however many rows have them."""
    for role, name in names.items():
        column = batch[role]
        if column.dtype == pl.String:
            lengths = column.str.len_bytes()
        elif column.dtype == pl.Binary:
            lengths = column.bin.size()
        elif column.dtype == pl.Categorical or column.dtype == pl.Enum:
            lengths = column.cat.len_bytes()
        else:
            continue
        longest = lengths.max()
        if isinstance(longest, int) and longest > _LONGEST_VALUE:
            raise UnreadableLogError(
                f"the {role} column {name!r} has a value of {longest:,} bytes; expected at most {_LONGEST_VALUE:,}"
            )


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
