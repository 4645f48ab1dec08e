"""Pages of rows, newest first, with an opaque cursor."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import Session

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


def _encode(last_id: str) -> str:
    return base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def _decode(cursor: str) -> str:
    try:
        last_id = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        last_id = ""
    if not last_id.isascii() or not last_id.replace("_", "").isalnum():
        raise InvalidCursorError(
            f"{cursor!r} is not a cursor of this list; expected the `next_cursor` of a page."
        )
    return last_id
