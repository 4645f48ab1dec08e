"""Parsing of dates and times that are text."""

import re
from dataclasses import dataclass

import polars as pl

_ISO = (
    r"^(?<day>\d{4}-\d{2}-\d{2})"
    r"(?:[Tt ](?<time>\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?) ?(?<zone>[Zz]|UTC|[+-]\d{2}(?::?\d{2})?)?)?$"
)
_COMPACT = r"^(\d{4})(\d{2})(\d{2})[Tt](\d{2})(\d{2})(\d{2})"
"""The beginning of the basic form of ISO 8601, such as 20260131T120000Z."""
_OTHER = re.compile(
    r"(?P<first>\d{1,4})(?P<mark>[-/.])\d{1,2}(?P=mark)(?P<last>\d{1,4})"
    r"(?:,? \d{1,2}:\d{2}(?P<seconds>:\d{2}(?P<parts>\.\d{1,6})?)?(?P<half> ?[AaPp][Mm])?)?"
)
_NO_ORDER = "or data.columns.timestamp to none"
_NO_DATE = "not an ISO 8601 date or time, unlike the first timestamp of the log"
_TOO_FINE = "finer than a microsecond, and too far from 1970 to be counted in nanoseconds"
_MICROSECONDS = 15
"""Length of a time with six digits of a second."""
MOST_MICROSECONDS = 9 * 10**15
"""Microseconds since 1970 that fit into 64 bits as nanoseconds."""
_YEAR_1000 = (
    -30_610_224_000_000_000
)  # microseconds; what is earlier is a year of two digits that was read as one of four


@dataclass(frozen=True, slots=True)
class Moments:
    """Microseconds since 1970 UTC, or nanoseconds where some are finer, and why others are none."""

    values: pl.Series
    """Int64 for microseconds, Datetime for nanoseconds."""
    why: pl.Series
    """The reason why a value is null, or null."""


def is_date(text: str) -> bool:
    """Whether this is a date or time of ISO 8601, in the extended or the basic form."""
    return is_compact(text) or pl.Series([text]).str.contains(_ISO).item()


def is_compact(text: str) -> bool:
    """Whether this is a time in the basic form of ISO 8601."""
    return re.match(_COMPACT, text) is not None


def how_to_read(text: str) -> str:
    """Why a text that is neither a number nor a date of ISO 8601 is refused, with the one thing to do."""
    found = _OTHER.fullmatch(text)
    if found is None:
        return (
            "neither a number nor a date or time of ISO 8601, such as 2026-01-31 or 2026-01-31T12:00:00Z; set "
            f"data.time_format to how it is written, {_NO_ORDER}"
        )
    mark, hours = found["mark"], ""
    if ":" in text:
        hours = (", " if "," in text else " ") + ("%I:%M" if found["half"] else "%H:%M")
        hours += ":%S" * bool(found["seconds"]) + ".%f" * bool(found["parts"])
        hours += (" %p" if " " in found["half"] else "%p") if found["half"] else ""
    if len(found["first"]) == 4:
        form = mark.join(("%Y", "%m", "%d")) + hours
        return f"a date that is not of ISO 8601; set data.time_format to {form!r}, {_NO_ORDER}"
    year = "%Y" if len(found["last"]) == 4 else "%y"
    days, months = (mark.join((*order, year)) + hours for order in (("%d", "%m"), ("%m", "%d")))
    return (
        f"a date that is not of ISO 8601; set data.time_format to {months!r} if the month is first, or to {days!r}, "
        f"{_NO_ORDER}"
    )


def parse_iso(raw: pl.Series, *, compact: bool, exact: bool) -> Moments:
    """Parse ISO 8601 dates and times; UTC is assumed if there is no time zone.

    Unless `exact`, what is finer than a microsecond is cut off.
    """
    texts = raw.cast(pl.String).str.strip_chars()
    if compact:
        texts = texts.str.replace(_COMPACT, "${1}-${2}-${3}T${4}:${5}:${6}")
    parts = texts.str.extract_groups(_ISO).struct.unnest()
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
    why = _reasons(values.is_null(), _NO_DATE)
    longest = parts["time"].str.len_bytes().max()
    if not exact or not isinstance(longest, int) or longest <= _MICROSECONDS:
        return Moments(values, why)
    finer = parts["time"].str.slice(_MICROSECONDS).str.pad_end(3, "0").cast(pl.Int64).fill_null(0)
    if not (finer > 0).any():
        return Moments(values, why)
    far = values.abs() > MOST_MICROSECONDS
    nanoseconds = pl.select(pl.when(~far).then(values * 1000 + finer)).to_series().cast(pl.Datetime("ns"))
    return Moments(nanoseconds, pl.select(pl.coalesce(why, _reasons(far, _TOO_FINE))).to_series())


def parse_format(raw: pl.Series, form: str) -> Moments:
    """Parse dates and times that are written in the form that the spec has."""
    texts = raw.cast(pl.String).str.strip_chars()
    zone = None
    if "%z" in form:  # for which Python takes a Z as well
        zone, texts = "UTC", texts.str.replace(r"[Zz]$", "+00:00")
    moments = texts.str.to_datetime(
        form.replace(".%f", "%.f"), time_unit="us", time_zone=zone, strict=False, exact=True
    )
    values = moments.dt.epoch("us")
    why = _reasons(
        values.is_null() | (values < _YEAR_1000), f"not written as data.time_format has it ({form})"
    )
    if "%f" in form:
        cut = texts.str.contains(r"\.\d{6}\d*[1-9]")
        why = pl.select(
            pl.coalesce(why, _reasons(cut, "finer than a microsecond, which data.time_format keeps"))
        ).to_series()
    return Moments(values, why)


def _reasons(bad: pl.Series, why: str) -> pl.Series:
    return pl.select(pl.when(bad).then(pl.lit(why))).to_series()
