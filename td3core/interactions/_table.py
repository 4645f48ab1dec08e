"""Files whose columns have names and types: Parquet and Arrow."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from td3core.errors import UnreadableLogError
from td3core.interactions._blocks import Limits
from td3core.interactions._columns import Columns, Role

SAMPLE = 200
LONGEST_VALUE = 4096  # bytes of an id; a dictionary can repeat one of any length for nothing
_SHOWN = 100  # characters of a sample


class Table(Protocol):
    """A file of typed columns."""

    @property
    def form(self) -> str:
        """Name of the format."""
        ...

    @property
    def schema(self) -> pl.Schema:
        """Names and types of the columns."""
        ...

    def check_sizes(self, columns: Columns, limits: Limits, *, whole: bool) -> None:
        """Check what these columns will take before any of it is read, to the end if `whole`.

        Raises:
            LogTooLargeError: They need more memory than the limits allow.
            UnreadableLogError: A part that is read at once does, or the file is damaged.
        """
        ...

    def count_rows(self) -> int:
        """Return the number of rows, as the metadata have it."""
        ...

    def first_values(self, column: str) -> pl.Series:
        """Return the first values of a column."""
        ...

    def batches(self, columns: Columns, rows: int | None, *, rules: int) -> Iterator[pl.DataFrame]:
        """Yield the columns by role, with ids as text and row numbers from 1 in place of line numbers."""
        ...


def first_texts(table: Table, column: str) -> list[str]:
    """Return the first values of a column as text; none if it has a type that no timestamp has."""
    dtype = table.schema[column]
    if not (dtype.is_numeric() or dtype == pl.String or dtype == pl.Date or dtype == pl.Datetime):
        return []
    return table.first_values(column).cast(pl.String).str.slice(0, _SHOWN).drop_nulls().to_list()


@dataclass(frozen=True, slots=True)
class Selection:
    """How the columns of a log are taken from a frame."""

    columns: Columns
    schema: pl.Schema
    """Of the frame."""
    rules: int

    def picked(self) -> list[pl.Expr]:
        """The columns by role, by their place, because a name may look like a pattern."""
        places = list(self.schema)
        return [pl.nth(places.index(name)).alias(role) for role, name in self.columns.by_role().items()]

    def converted(self) -> list[pl.Expr]:
        """The picked columns with ids as text and exact timestamps.

        Raises:
            UnreadableLogError: The type of a column does not suit its role.
        """
        return [
            _column(role, name, pl.col(role), self.schema[name], self.rules)
            for role, name in self.columns.by_role().items()
        ]

    def check_lengths(self, batch: pl.DataFrame) -> None:
        """Refuse long values while those of a dictionary are still in memory once, however many rows have them.

        Raises:
            UnreadableLogError: There is one.
        """
        for role, name in self.columns.by_role().items():
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
            if isinstance(longest, int) and longest > LONGEST_VALUE:
                raise UnreadableLogError(
                    f"the {role} column {name!r} has a value of {longest:,} bytes; expected at most {LONGEST_VALUE:,}"
                )


def no_text(columns: Columns, schema: pl.Schema) -> UnreadableLogError:
    """Return the error of ids that are bytes, but not UTF-8."""
    binary = [name for name in columns.by_role().values() if schema[name] == pl.Binary]
    return UnreadableLogError(f"the column {' or '.join(binary)} has ids that are not UTF-8 text")


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
    if dtype.is_decimal() and role == "timestamp" and rules > 1:
        return column.cast(pl.Int128 if whole else pl.String)  # whose digits are looked at
    if dtype.is_decimal() and role in ("timestamp", "rating"):
        return column.cast(pl.Float64)
    return column.cast(pl.String) if text else column
