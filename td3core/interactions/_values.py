"""Parsing of ids, timestamps and ratings, with a reason for each value that is invalid."""

import re
from dataclasses import dataclass
from typing import Literal

import polars as pl

from td3core.config import DataConfig
from td3core.errors import LogProblem
from td3core.interactions._columns import ROLES, Columns, Role
from td3core.interactions._problems import shown

Clock = Literal["number", "date", "compact date", "unknown"]
"""How the first timestamp of a log is written."""
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
_BOM = "\ufeff"
_EDGES = "".join(chr(code) for code in range(0x3001) if chr(code).isspace()) + _BOM
"""White space and the byte order mark, which are no part of an id at its ends."""
_NO_NUMBER = "not a finite number"
_NO_TIME = (
    "neither a number nor a date or time of ISO 8601, such as 2026-01-31 or 2026-01-31T12:00:00Z; convert it, or set "
    "data.columns.timestamp to none"
)
_NO_DIGITS = "rounded, as a spreadsheet does; write all digits of the timestamp"
_MIN_WRAPPED = 10
"""Number of ids from which on it is no chance that all of them are in quotes."""
_DATE = (
    r"^(?<day>\d{4}-\d{2}-\d{2})"
    r"(?:[Tt ](?<time>\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?) ?(?<zone>[Zz]|UTC|[+-]\d{2}(?::?\d{2})?)?)?$"
)
_COMPACT = r"^(\d{4})(\d{2})(\d{2})[Tt](\d{2})(\d{2})(\d{2})"
"""The beginning of the basic form of ISO 8601, such as 20260131T120000Z."""
_ROUNDED = r"^\d(?:\.\d{0,8})?[Ee]\+?(?:0?9|1\d)$"
"""A time since 1970 of which a spreadsheet has kept the first digits."""
_EXACT = 2**53


@dataclass(frozen=True, slots=True)
class Parsed:
    """Values, and under the same names the reasons why some are invalid (null for valid ones)."""

    frame: pl.DataFrame
    reasons: pl.DataFrame

    @property
    def bad(self) -> int:
        """Number of invalid values."""
        return sum(len(column) - column.null_count() for column in self.reasons)

    def rows_with(self, problems: int) -> int:
        """How many of the first rows have this many invalid values, if there are so many."""
        bad = self.reasons.select(pl.sum_horizontal(pl.all().is_not_null())).to_series().cum_sum()
        return int((bad < problems).sum()) + 1

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
    clock: Clock | None = None

    def clean(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Strip white space and byte order marks from ids, and leave out rows that repeat the header."""
        if self.data.rules == 1:
            return raw
        ids = [role for role in ("user", "item") if raw[role].dtype == pl.String]
        clean = raw.with_columns(_stripped(raw[role]) for role in ids)
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
                return _whole_numbers(raw) if raw.dtype.is_float() else (raw, _id_reasons(raw, self.data))
            case "timestamp":
                return self._timestamps(raw)
            case "rating":
                values, reasons = _numbers(raw, _NO_NUMBER)
                return values.cast(pl.Float64), reasons

    def _timestamps(self, raw: pl.Series) -> Column:
        if isinstance(raw.dtype, pl.Date | pl.Datetime):
            fine = self.data.rules > 1 and isinstance(raw.dtype, pl.Datetime) and raw.dtype.time_unit == "ns"
            return raw.dt.epoch("ns" if fine else "us"), _reasons(raw, [])
        if raw.dtype != pl.String:
            return _numbers(raw, _NO_NUMBER)
        if self.clock is None:
            texts = raw.str.strip_chars()
            first = texts.filter((texts != "") & ~texts.is_in(_NULLS)).head(1)
            self.clock = _clock_of(first.item()) if len(first) else None
        if self.clock == "date":
            return _dates(raw)
        if self.clock == "compact date":
            return _dates(raw.str.strip_chars().str.replace(_COMPACT, "${1}-${2}-${3}T${4}:${5}:${6}"))
        values, reasons = _numbers(raw, _NO_TIME if self.clock == "unknown" else _NO_NUMBER)
        if self.data.rules > 1 and values.dtype == pl.Float64:  # which integers never are
            rounded = raw.str.strip_chars().str.contains(_ROUNDED)
            reasons = pl.select(pl.when(rounded).then(pl.lit(_NO_DIGITS)).otherwise(reasons)).to_series()
        return values, reasons


def _clock_of(text: str) -> Clock:
    if re.match(_COMPACT, text):
        return "compact date"
    if pl.Series([text]).str.contains(_DATE).item():
        return "date"
    try:
        float(text)
    except ValueError:
        return "unknown"
    return "number"


def _stripped(ids: pl.Series) -> pl.Series:
    marked = ids.str.contains(_BOM, literal=True).any()
    return ids.str.strip_chars(_EDGES if marked else None)  # of white space alone is faster


def _reasons(raw: pl.Series, checks: list[tuple[pl.Series, str]], *, stripped: bool = False) -> pl.Series:
    """Return the reason of the first check that fails for a value, or null."""
    empty = raw.is_null()
    if raw.dtype == pl.String:
        empty |= (raw if stripped else raw.str.strip_chars()) == ""
    reason = pl.when(empty).then(pl.lit("empty value"))
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
        quote = raw.drop_nulls().head(1).str.slice(0, 1).to_list()
        if len(raw) >= _MIN_WRAPPED and quote in (["'"], ['"']):
            wrapped = raw.str.starts_with(quote[0]) & raw.str.ends_with(quote[0]) & (raw.str.len_bytes() > 1)
            if wrapped.all():
                why = "every id of the column is wrapped in quotes; remove them, or set data.quoting"
                checks.append((wrapped, why))
    return _reasons(raw, checks, stripped=data.rules > 1)


def _whole_numbers(raw: pl.Series) -> Column:
    """Ids that a table with missing values has as floats: 7.0 is 7."""
    whole = raw.is_finite() & (raw == raw.floor()) & (raw.abs() <= _EXACT)
    values = raw.cast(pl.Int64, strict=False).cast(pl.String)
    return values, _reasons(raw.fill_nan(None), [(~whole, "not a whole number, which an id must be")])


def _numbers(raw: pl.Series, why: str) -> Column:
    """Parse as Int64 if every value is an integer in its range, otherwise as Float64."""
    text = raw.str.strip_chars() if raw.dtype == pl.String else raw
    values = text.cast(pl.Float64, strict=False)
    if not raw.dtype.is_float():
        integers = text.cast(pl.Int64, strict=False)
        if integers.null_count() == values.null_count():
            values = integers
    bad = values.is_null() | values.is_finite().not_()
    return values, _reasons(raw, [(bad, why)])


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
