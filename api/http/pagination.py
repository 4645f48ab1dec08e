"""Pages of a list, newest first, joined by an opaque cursor."""

import base64
import binascii
from collections.abc import Callable
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field
from sqlalchemy import Select
from sqlalchemy.orm import Session

from api.errors import InvalidCursorError
from api.models import Resource

Limit = Annotated[int, Query(ge=1, le=200, description="Most items a page holds.")]
Cursor = Annotated[
    str | None,
    Query(max_length=200, description="`next_cursor` of the page before; left out: the first page."),
]


Item = TypeVar("Item")
Row = TypeVar("Row", bound=Resource)


class Page(BaseModel, Generic[Item]):
    """Some of a list's items, and how to get the next ones."""

    items: list[Item]
    next_cursor: str | None = Field(description="Ask for `?cursor=` this; null on the last page.")


def page_of(
    session: Session,
    query: Select[Row],
    model: type[Row],
    shape: Callable[[Row], Item],
    *,
    limit: int,
    cursor: str | None,
) -> Page[Item]:
    """Run `query` from where `cursor` left off.

    Ids sort by time of creation, so the id of a page's last item is where the next page starts: what is
    created meanwhile moves nothing.

    Raises:
        InvalidCursorError: The cursor is not one of ours.
    """
    if cursor is not None:
        query = query.where(model.id < _decode(cursor))
    rows = session.scalars(query.order_by(model.id.desc()).limit(limit + 1)).all()
    items = [shape(row) for row in rows[:limit]]
    return Page(items=items, next_cursor=_encode(rows[limit - 1].id) if len(rows) > limit else None)


def _encode(last_id: str) -> str:
    return base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def _decode(cursor: str) -> str:
    try:
        last_id = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        last_id = ""
    if not last_id.isascii() or not last_id.replace("_", "").isalnum():
        raise InvalidCursorError(f"{cursor!r} is not a cursor that a page of this list gave.")
    return last_id
