"""Moments that clients name."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, TypeAdapter

_AWARE: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


def _of_text(moment: object) -> object:
    """Read a text, but no number, which could be one of seconds or of milliseconds."""
    if isinstance(moment, datetime | None):
        return moment
    if not isinstance(moment, str) or "-" not in moment[1:]:
        raise ValueError("expected a date and a time, such as 2026-01-15T09:30:00Z")
    return _AWARE.validate_python(moment)


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("expected a moment that is in the years 1 to 9999 in UTC, too") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_of_text), AfterValidator(_in_utc)]
"""A time with a zone, in UTC."""
