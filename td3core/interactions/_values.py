"""From raw values to ids, timestamps and ratings, and what is wrong with those that cannot be used."""

from dataclasses import dataclass
from typing import Literal

import polars as pl

from td3core.errors import LogProblem
from td3core.interactions._columns import ROLES, Columns, Role
from td3core.interactions._problems import shown

Column = tuple[pl.Series, pl.Series]
"""Values, and for each a reason why it cannot be used, or null."""

LINE = "line"
"""The column of line numbers, in raw frames that have one."""

_MAX_ID_BYTES = 1024
_NULL_WORDS = ["NULL", "null", r"\N"]
_DATE = (
    r"^(?<day>\d{4}-\d{2}-\d{2})"
    r"(?:[Tt ](?<time>\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?) ?(?<zone>[Zz]|UTC|[+-]\d{2}(?::?\d{2})?)?)?$"
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """Values, and under the same names the reasons why some cannot be used (null where they can)."""

    frame: pl.DataFrame
    reasons: pl.DataFrame

    @property
    def bad(self) -> int:
        """How many values cannot be used."""
        return sum(len(column) - column.null_count() for column in self.reasons)

    @property
    def ok(self) -> bool:
        """Whether all of them can."""
        return not self.bad


@dataclass(slots=True)
class ValueParser:
    """Turns raw frames, whose columns are named by role, into frames of an `InteractionLog`, block by block.

    Text is parsed; columns that come typed, from Parquet, are converted. The log's first timestamp decides
    whether all of them are numbers or dates.
    """

    columns: Columns
    rating_needed: bool
    clock: Literal["number", "date"] | None = None

    def parse(self, raw: pl.DataFrame) -> Parsed:
        """Parse the columns that are there."""
        columns = {role: self._column(role, raw[role]) for role in ROLES if role in raw.columns}
        return Parsed(
            pl.DataFrame({role: values for role, (values, _) in columns.items()}),
            pl.DataFrame({role: reasons for role, (_, reasons) in columns.items()}),
        )

    def problems(self, raw: pl.DataFrame, parsed: Parsed, limit: int) -> tuple[list[LogProblem], int]:
        """The first problems of each column, with the raw frame's line numbers, and the count of all."""
        problems: list[LogProblem] = []
        total = 0
        for role, name in self.columns.by_role().items():
            reasons = parsed.reasons[role]
            bad = raw.select(LINE, pl.col(role).cast(pl.String).alias("value"), reason=reasons)
            bad = bad.filter(pl.col("reason").is_not_null())
            total += bad.height
            for line, value, reason in bad.head(limit).iter_rows():
                problems.append(LogProblem(reason, line, name, shown(value)))
        return problems, total

    def _column(self, role: Role, raw: pl.Series) -> Column:
        match role:
            case "user" | "item":
                return raw, _id_reasons(raw)
            case "timestamp":
                return self._timestamps(raw)
            case "rating":
                values, reasons = _numbers(raw, empty_ok=not self.rating_needed)
                return values.cast(pl.Float64), reasons

    def _timestamps(self, raw: pl.Series) -> Column:
        if raw.dtype.is_temporal():
            return raw.dt.epoch("us"), _reasons(raw, [])
        if self.clock is None:
            texts = raw.cast(pl.String).str.strip_chars()
            first = texts.filter(texts != "").head(1)
            if len(first):
                self.clock = "date" if first.str.contains(_DATE).item() else "number"
        return _dates(raw) if self.clock == "date" else _numbers(raw, empty_ok=False)


def _reasons(raw: pl.Series, checks: list[tuple[pl.Series, str]], *, empty_ok: bool = False) -> pl.Series:
    """The reason of the first check that finds a value bad, else null."""
    empty = raw.is_null()
    if raw.dtype == pl.String:
        empty |= raw.str.strip_chars() == ""
    reason = pl.when(empty).then(None if empty_ok else pl.lit("it is empty"))
    for bad, why in checks:
        reason = reason.when(bad).then(pl.lit(why))
    return pl.select(reason.otherwise(None).cast(pl.String)).to_series()


def _id_reasons(raw: pl.Series) -> pl.Series:
    return _reasons(
        raw,
        [
            (raw.is_in(_NULL_WORDS), "it is a database's NULL, not an id"),
            (raw.str.len_bytes() > _MAX_ID_BYTES, f"an id has at most {_MAX_ID_BYTES} bytes"),
        ],
    )


def _numbers(raw: pl.Series, *, empty_ok: bool) -> Column:
    """Int64 where every value is an integer that fits, otherwise Float64."""
    text = raw.str.strip_chars() if raw.dtype == pl.String else raw
    values = text.cast(pl.Float64, strict=False)
    if not raw.dtype.is_float():
        integers = text.cast(pl.Int64, strict=False)
        if integers.null_count() == values.null_count():
            values = integers
    bad = values.is_null() | values.is_finite().not_()
    return values, _reasons(raw, [(bad, "it is not a finite number")], empty_ok=empty_ok)


def _dates(raw: pl.Series) -> Column:
    """Microseconds since 1970 of ISO 8601 dates and times, in UTC where they name no zone."""
    parts = raw.cast(pl.String).str.strip_chars().str.extract_groups(_DATE).struct.unnest()
    time = pl.col("time").fill_null("00:00")
    zone = (
        pl.col("zone")
        .fill_null("+00:00")
        .str.replace("^(?:[Zz]|UTC)$", "+00:00")
        .str.replace("^(...)$", "$1:00")
    )
    iso = parts.select(
        pl.concat_str(
            pl.col("day"),
            pl.lit("T"),
            pl.when(time.str.len_bytes() == 5).then(time + ":00").otherwise(time),
            zone,
        )
    ).to_series()
    moments = iso.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", time_zone="UTC", strict=False)
    values = moments.dt.epoch("us")
    why = "it is not an ISO 8601 date or time, as the log's first timestamp is"
    return values, _reasons(raw, [(values.is_null(), why)])
