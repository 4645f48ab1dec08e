"""Parsing of ids, timestamps and ratings, with a reason for each value that is invalid."""

from dataclasses import dataclass
from typing import Literal

import polars as pl

from td3core.config import DataConfig
from td3core.errors import LogProblem
from td3core.interactions._columns import ROLES, Columns, Role
from td3core.interactions._problems import shown

Column = tuple[pl.Series, pl.Series]
"""Values, and for each the reason why it is invalid, or null."""

LINE = "line"
"""Name of the column of line numbers, in raw frames that have one."""

_MAX_ID_BYTES = 1024
_FORMER_NULLS = ["NULL", "null", r"\N"]
_NULLS = [
    *_FORMER_NULLS,
    *("Null", "(null)", "<NULL>", "<null>", "None", "NONE", "undefined"),
    *("nan", "NaN", "NAN", "-nan", "NA", "<NA>", "N/A", "n/a", "#N/A", "NaT"),
]
"""What programs write for a missing value. Other spellings, such as `none`, `na` and `nil`, may be names."""
_EDGES = "".join(chr(code) for code in range(0x3001) if chr(code).isspace()) + "\ufeff"
"""White space and the byte order mark, which are no part of an id at its ends."""
_MIN_WRAPPED = 10
"""Number of ids from which on it is no chance that all of them are in quotes."""
_DATE = (
    r"^(?<day>\d{4}-\d{2}-\d{2})"
    r"(?:[Tt ](?<time>\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?) ?(?<zone>[Zz]|UTC|[+-]\d{2}(?::?\d{2})?)?)?$"
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """Values, and under the same names the reasons why some are invalid (null for valid ones)."""

    frame: pl.DataFrame
    reasons: pl.DataFrame

    @property
    def bad(self) -> int:
        """Number of invalid values."""
        return sum(len(column) - column.null_count() for column in self.reasons)

    @property
    def ok(self) -> bool:
        """Whether all values are valid."""
        return not self.bad


@dataclass(slots=True)
class ValueParser:
    """Converts raw frames, whose columns are named by role, to frames of an `InteractionLog`, block by block.

    Text is parsed, and typed columns of Parquet are converted. The first timestamp of the log decides whether all of
    them must be numbers or dates.
    """

    columns: Columns
    data: DataConfig
    header_may_repeat: bool
    """Whether a row may be the header of a file that was appended."""
    clock: Literal["number", "date"] | None = None

    def clean(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Strip white space and byte order marks from ids, and leave out rows that repeat the header."""
        if self.data.rules == 1:
            return raw
        clean = raw.with_columns(pl.col("user", "item").str.strip_chars(_EDGES))
        if self.header_may_repeat:
            names = self.columns.user.strip(), self.columns.item.strip()
            repeated = (clean["user"] == names[0]) & (clean["item"] == names[1])
            if repeated.any():
                clean = clean.filter(~repeated.fill_null(False))
        return clean

    def parse(self, raw: pl.DataFrame) -> Parsed:
        """Parse the columns that exist."""
        columns = {role: self._column(role, raw[role]) for role in ROLES if role in raw.columns}
        return Parsed(
            pl.DataFrame({role: values for role, (values, _) in columns.items()}),
            pl.DataFrame({role: reasons for role, (_, reasons) in columns.items()}),
        )

    def problems(self, raw: pl.DataFrame, parsed: Parsed, limit: int) -> tuple[list[LogProblem], int]:
        """Return the first problems of each column, with line numbers, and the total number."""
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
                return raw, _id_reasons(raw, self.data)
            case "timestamp":
                return self._timestamps(raw)
            case "rating":
                values, reasons = _numbers(raw)
                return values.cast(pl.Float64), reasons

    def _timestamps(self, raw: pl.Series) -> Column:
        if raw.dtype.is_temporal():
            return raw.dt.epoch("us"), _reasons(raw, [])
        if self.clock is None:
            texts = raw.cast(pl.String).str.strip_chars()
            first = texts.filter(texts != "").head(1)
            if len(first):
                self.clock = "date" if first.str.contains(_DATE).item() else "number"
        return _dates(raw) if self.clock == "date" else _numbers(raw)


def _reasons(raw: pl.Series, checks: list[tuple[pl.Series, str]], *, empty_ok: bool = False) -> pl.Series:
    """Return the reason of the first check that fails for a value, or null."""
    empty = raw.is_null()
    if raw.dtype == pl.String:
        empty |= raw.str.strip_chars() == ""
    reason = pl.when(empty).then(None if empty_ok else pl.lit("empty value"))
    for bad, why in checks:
        reason = reason.when(bad).then(pl.lit(why))
    return pl.select(reason.otherwise(None).cast(pl.String)).to_series()


def _id_reasons(raw: pl.Series, data: DataConfig) -> pl.Series:
    checks = [
        (raw.str.len_bytes() > _MAX_ID_BYTES, f"longer than {_MAX_ID_BYTES} bytes, the maximum of an id")
    ]
    if data.null_ids == "refuse":
        why = "a marker of a missing value is not an id; remove the row, or set data.null_ids to keep"
        checks.append((raw.is_in(_FORMER_NULLS if data.rules == 1 else _NULLS), why))
    if data.rules > 1:
        if raw.str.starts_with("[").any():
            checks.append(
                (raw.str.contains(r"^\[.*[,'\"].*\]$"), "a list is not an id; write one row for each")
            )
        for quote in "'\"":
            wrapped = raw.str.starts_with(quote) & raw.str.ends_with(quote) & (raw.str.len_bytes() > 1)
            if len(raw) >= _MIN_WRAPPED and wrapped.all():
                why = "every id of the column is wrapped in quotes; remove them, or set data.quoting"
                checks.append((wrapped, why))
    return _reasons(raw, checks)


def _numbers(raw: pl.Series) -> Column:
    """Parse as Int64 if every value is an integer in its range, otherwise as Float64."""
    text = raw.str.strip_chars() if raw.dtype == pl.String else raw
    values = text.cast(pl.Float64, strict=False)
    if not raw.dtype.is_float():
        integers = text.cast(pl.Int64, strict=False)
        if integers.null_count() == values.null_count():
            values = integers
    bad = values.is_null() | values.is_finite().not_()
    return values, _reasons(raw, [(bad, "not a finite number")])


def _dates(raw: pl.Series) -> Column:
    """Parse ISO 8601 dates and times to microseconds since 1970; UTC is assumed if there is no time zone."""
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
    why = "not an ISO 8601 date or time, unlike the first timestamp of the log"
    return values, _reasons(raw, [(values.is_null(), why)])
