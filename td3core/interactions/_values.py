"""Parsing of ids, timestamps and ratings, with a reason for each value that is invalid."""

from dataclasses import dataclass
from typing import Literal

import polars as pl

from td3core.config import DataConfig
from td3core.errors import LogProblem, UnreadableLogError
from td3core.interactions._columns import ROLES, Columns, Role
from td3core.interactions._dates import Moments, how_to_read, is_compact, is_date, parse_format, parse_iso
from td3core.interactions._problems import shown

Clock = Literal["number", "date", "compact date"]
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
_UNSEEN = "\ufeff\u200b\u2060"
_EDGES = "".join(chr(code) for code in range(0x3001) if chr(code).isspace()) + _UNSEEN
"""White space, the byte order mark and spaces of no width, which are no part of an id at its ends."""
_NO_NUMBER = "not a finite number"
_NO_DIGITS = "rounded, as a spreadsheet does; write all digits of the timestamp"
_NO_COUNT = "a day that is written as a number; set data.time_format to '%d%m%Y', or to '%m%d%Y' if the month is first"
_MIN_WRAPPED = 10
"""Number of ids from which on it is no chance that all of them are in quotes."""
_ROUNDED = r"^\d(?:\.\d{0,8})?[Ee]\+?(?:0?9|1\d)$"
"""A time since 1970 of which a spreadsheet has kept the first digits."""
_FRACTION = r"^[-+]?0*(\d*)\.(\d*?)0*$"
"""The digits of a decimal number that count."""
_MOST_DIGITS = 17
"""With as many, every floating-point number can be written exactly; a time with more is cut."""
_CUT = "more digits than a floating-point number has; write the time as an integer, such as nanoseconds"
_EXACT: dict[type[pl.DataType], int] = {pl.Float64: 2**53, pl.Float32: 2**24, pl.Float16: 2**11}
"""Integers up to this one are exact in a float of the type."""
_NO_IDS = {
    r"^(?:\[.*[,'\" ].*\]|\{.*,.*\})$": "a list is not an id; write one row for each",
    # As a spreadsheet or a table of floats writes a large number: ids that differ in its last digits become one.
    r"^-?\d(?:\.\d+[Ee]\+?|[Ee]\+)\d+$": "a number of which only the first digits are left; write the ids as text "
    "or as whole numbers",
    r"^-{3,}$": "a line of dashes, not an id; remove it",
}
_DOUBTFUL = r"^(?:[\[{]|---|-?\d(?:\.\d+)?[Ee])"
"""How each of these begins."""
_DAY_OF_MONTH = r"^0\d{7}$"
_COARSE = (
    "a float of 32 bits, which has room for 7 digits; write the timestamp as an integer or a float of 64 bits"
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """Values, and under the same names the reasons why some are invalid (null for valid ones)."""

    raw: pl.DataFrame
    """What the values were parsed from, without the rows that are left out."""
    frame: pl.DataFrame
    reasons: pl.DataFrame
    headers: int = 0
    """Rows that were left out because they repeat the header."""
    null_ids: int = 0
    """Rows that were left out because an id is missing."""
    date_unit: Literal["us", "ns"] | None = None
    """What dates were converted to, since 1970; None if timestamps are numbers, or there are none."""

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
    no_number: str = _NO_NUMBER
    """Why a timestamp is refused that is no number, where the clock is one."""

    date_unit: Literal["us", "ns"] | None = None
    """As in `Parsed`, of the latest rows."""

    def parse(self, raw: pl.DataFrame) -> Parsed:
        """Parse the columns that exist.

        White space and byte order marks are stripped from ids. Rows that repeat the header are left out, and so are
        those without an id where the spec says so.
        """
        headers = null_ids = 0
        if self.data.rules > 1:
            ids = [role for role in ("user", "item") if raw[role].dtype == pl.String]
            raw = raw.with_columns(_stripped(raw[role]) for role in ids)
            if self.header_may_repeat:
                names = self.columns.user.strip(), self.columns.item.strip()
                raw, headers = _without(raw, (raw["user"] == names[0]) & (raw["item"] == names[1]))
        if self.data.null_ids == "drop":
            raw, null_ids = _without(raw, _is_missing(raw["user"]) | _is_missing(raw["item"]))
        columns = {role: self._column(role, raw[role]) for role in ROLES if role in raw.columns}
        return Parsed(
            raw,
            pl.DataFrame({role: values for role, (values, _) in columns.items()}),
            pl.DataFrame({role: reasons for role, (_, reasons) in columns.items()}),
            headers,
            null_ids,
            self.date_unit,
        )

    def problems(self, parsed: Parsed, limit: int) -> tuple[list[LogProblem], int]:
        """Return the first problems of each column, with line numbers, and the total number."""
        problems: list[LogProblem] = []
        total = 0
        for role, name in self.columns.by_role().items():
            reasons = parsed.reasons[role]
            bad = parsed.raw.select(LINE, pl.col(role).cast(pl.String).alias("value"), reason=reasons)
            bad = bad.filter(pl.col("reason").is_not_null())
            total += bad.height
            for line, value, reason in bad.head(limit).iter_rows():
                problems.append(LogProblem(reason, line, name, shown(value)))
        return problems, total

    def _column(self, role: Role, raw: pl.Series) -> Column:
        match role:
            case "user" | "item":
                if raw.dtype.is_float():
                    return _whole_numbers(
                        raw, _EXACT[pl.Float64 if self.data.rules == 1 else type(raw.dtype)]
                    )
                return raw, _id_reasons(raw, self.data)
            case "timestamp":
                return self._timestamps(raw)
            case "rating":
                values, reasons = _numbers(raw, _NO_NUMBER)
                return values.cast(pl.Float64), reasons

    def _timestamps(self, raw: pl.Series) -> Column:
        if self.data.time_format is not None and raw.dtype != pl.String:
            raise UnreadableLogError(
                f"the timestamps have the type {raw.dtype}, and data.time_format is for text; leave it out",
                [LogProblem("for timestamps that are text", field="data.time_format")],
            )
        if isinstance(raw.dtype, pl.Date | pl.Datetime):
            fine = self.data.rules > 1 and isinstance(raw.dtype, pl.Datetime) and raw.dtype.time_unit == "ns"
            self.date_unit = "ns" if fine else "us"
            return raw.dt.epoch(self.date_unit), _reasons(raw, [])
        if raw.dtype == pl.Float32 and self.data.rules > 1:
            values, reasons = _numbers(raw, _NO_NUMBER)
            coarse = pl.when(values.abs() > _EXACT[pl.Float32]).then(pl.lit(_COARSE))
            return values, pl.select(pl.coalesce(reasons, coarse)).to_series()
        if raw.dtype != pl.String:
            return _numbers(raw, _NO_NUMBER)
        if self.data.time_format is not None:
            self.date_unit = "us"
            return _moments(raw, parse_format(raw, self.data.time_format))
        if self.clock is None:
            texts = raw.str.strip_chars()
            first = texts.filter((texts != "") & ~texts.is_in(_NULLS)).head(1)
            self.clock, self.no_number = _clock_of(first.item()) if len(first) else (None, _NO_NUMBER)
        if self.clock in ("date", "compact date"):
            compact, exact = self.clock == "compact date", self.data.rules > 1
            moments = parse_iso(raw, compact=compact, exact=exact)
            self.date_unit = "ns" if moments.values.dtype == pl.Datetime else "us"
            return _moments(raw, moments)
        values, reasons = _numbers(raw, self.no_number)
        if self.data.rules > 1 and _all_below(values, 10**8):
            days = pl.when(raw.str.strip_chars().str.contains(_DAY_OF_MONTH)).then(pl.lit(_NO_COUNT))
            reasons = pl.select(pl.coalesce(days, reasons)).to_series()
        if self.data.rules > 1 and values.dtype == pl.Float64:  # which integers never are
            texts = raw.str.strip_chars()
            rounded = pl.when(texts.str.contains(_ROUNDED)).then(pl.lit(_NO_DIGITS))
            digits = texts.str.extract_groups(_FRACTION).struct.unnest().select(pl.all().str.len_bytes())
            cut = pl.when(digits.sum_horizontal() > _MOST_DIGITS).then(pl.lit(_CUT))
            reasons = pl.select(pl.coalesce(rounded, reasons, cut)).to_series()
        return values, reasons


def _clock_of(text: str) -> tuple[Clock, str]:
    """How this timestamp is written, and why one that is no number is refused."""
    if is_date(text):
        return ("compact date" if is_compact(text) else "date"), ""
    try:
        float(text)
    except ValueError:
        return "number", how_to_read(text)
    return "number", _NO_NUMBER


def _without(raw: pl.DataFrame, rows: pl.Series) -> tuple[pl.DataFrame, int]:
    """Leave out these rows, and count them."""
    count = int(rows.sum())
    return (raw.filter(~rows.fill_null(False)), count) if count else (raw, 0)


def is_null_id(ids: pl.Series) -> pl.Series:
    """Which ids mark a missing value."""
    return ids.is_in(_NULLS)


def _is_missing(ids: pl.Series) -> pl.Series:
    missing = ids.is_null()
    if ids.dtype.is_float():
        return missing | ids.is_nan().fill_null(True)
    return (missing | (ids == "") | is_null_id(ids)).fill_null(True)


def _stripped(ids: pl.Series) -> pl.Series:
    marked = ids.str.contains_any(list(_UNSEEN)).any()
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
        why = "a marker of a missing value is not an id; remove the row, or set data.null_ids to drop or keep"
        checks.append((raw.is_in(_FORMER_NULLS if data.rules == 1 else _NULLS), why))
    if data.rules > 1:
        if raw.str.contains(_DOUBTFUL).any():
            checks += [(raw.str.contains(form), why) for form, why in _NO_IDS.items()]
        quote = raw.drop_nulls().head(1).str.slice(0, 1).to_list()
        if len(raw) >= _MIN_WRAPPED and quote in (["'"], ['"']):
            wrapped = raw.str.starts_with(quote[0]) & raw.str.ends_with(quote[0]) & (raw.str.len_bytes() > 1)
            if wrapped.all():
                why = "every id of the column is wrapped in quotes; remove them, or set data.quoting"
                checks.append((wrapped, why))
    return _reasons(raw, checks, stripped=data.rules > 1)


def _whole_numbers(raw: pl.Series, most: int) -> Column:
    """Ids that a table with missing values has as floats: 7.0 is 7. From `most` on they are rounded."""
    values = raw.cast(pl.Int64, strict=False).cast(pl.String)
    checks = [
        (~(raw.is_finite() & (raw == raw.floor())), "not a whole number, which an id must be"),
        (
            raw.abs() > most,
            f"larger than {most:,}, from where on {raw.dtype} rounds; write ids as integers or text",
        ),
    ]
    return values, _reasons(raw.fill_nan(None), checks)


def _all_below(values: pl.Series, most: int) -> bool:
    highest = values.max()
    return isinstance(highest, int | float) and highest < most


def _moments(raw: pl.Series, moments: Moments) -> Column:
    return moments.values, pl.select(pl.coalesce(_reasons(raw, []), moments.why)).to_series()


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
