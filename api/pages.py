"""Pages of rows with an opaque cursor: newest first, or in the order of a moment."""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from sqlalchemy import Select, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.db import UtcDateTime
from api.errors import InvalidCursorError
from api.models import Listed

Row = TypeVar("Row", bound=Listed)


@dataclass(frozen=True, slots=True)
class RowPage(Generic[Row]):
    """A page of rows, and the cursor of the next page, or None."""

    rows: Sequence[Row]
    next_cursor: str | None


def page_of(
    session: Session, query: Select[Row], model: type[Row], *, limit: int, cursor: str | None
) -> RowPage[Row]:
    """Return the page of `query` that begins at `cursor`.

    Ids sort by creation time, and the cursor is the id of the last row of the previous page, so that new rows do not
    shift the pages.

    Raises:
        InvalidCursorError: The cursor is invalid.
    """
    if cursor is not None:
        query = query.where(model.id < _decode(cursor))
    rows = session.scalars(query.order_by(model.id.desc()).limit(limit + 1)).all()
    return RowPage(rows[:limit], _encode(rows[limit - 1].id) if len(rows) > limit else None)


def page_by(
    session: Session,
    query: Select[Row],
    model: type[Row],
    moment: InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None],
    *,
    descending: bool,
    of: str,
    limit: int,
    cursor: str | None,
) -> RowPage[Row]:
    """Return the page of `query` that begins at `cursor`, in the order of a moment; rows that have none are left out.

    The cursor is the place of the last row of the previous page, and names the list that it is of.

    Args:
        session: A session.
        query: The rows.
        model: Their model.
        moment: The column of the moment. Rows of the same moment are in the order of their ids.
        descending: Whether the latest comes first.
        of: What tells this list from others: letters and digits.
        limit: Maximum number of rows.
        cursor: Where the page begins.

    Raises:
        InvalidCursorError: The cursor is invalid, or that of another list.
    """
    query = query.where(moment.is_not(None))
    if cursor is not None:
        at, last_id = _place(cursor, of)
        here, place = tuple_(moment, model.id), tuple_(literal(at, UtcDateTime()), literal(last_id))
        query = query.where(here < place if descending else here > place)
    order = (moment.desc(), model.id.desc()) if descending else (moment, model.id)
    rows = session.scalars(query.order_by(*order).limit(limit + 1)).all()
    if len(rows) <= limit:
        return RowPage(rows, None)
    last: datetime = getattr(rows[limit - 1], moment.key)
    micros = (last - _EPOCH) // timedelta(microseconds=1)
    return RowPage(rows[:limit], _encode(f"{of}.{micros}.{rows[limit - 1].id}"))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE = re.compile(r"([0-9a-z]+)\.([0-9]{1,17})\.([0-9A-Za-z_]+)", re.ASCII)


def _place(cursor: str, of: str) -> tuple[datetime, str]:
    """The moment and the id in a cursor of `page_by`."""
    found = _PLACE.fullmatch(_text(cursor))
    if found is None or found[1] != of:
        raise InvalidCursorError(
            f"{cursor!r} is not a cursor of this list; expected the `next_cursor` of a page with the same filters and "
            "the same order."
        )
    return _EPOCH + timedelta(microseconds=int(found[2])), found[3]


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str) -> str:
    last_id = _text(cursor)
    if not last_id.isascii() or not last_id.replace("_", "").isalnum():
        raise InvalidCursorError(
            f"{cursor!r} is not a cursor of this list; expected the `next_cursor` of a page."
        )
    return last_id


def _text(cursor: str) -> str:
    """What the cursor says; nothing if it is none."""
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
