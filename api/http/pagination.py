"""Response models and parameters of pages, which `api.pages` reads."""

from collections.abc import Callable
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from api.pages import Row, RowPage

Limit = Annotated[int, Query(ge=1, le=200, description="Maximum number of items in the page.")]
Cursor = Annotated[
    str | None,
    Query(max_length=200, description="`next_cursor` of the previous page. Default: the first page."),
]

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """A page of a list."""

    items: list[Item] = Field(description="The items of this page.")
    next_cursor: str | None = Field(description="Value of `cursor` for the next page; null on the last page.")

    @classmethod
    def of(cls, page: RowPage[Row], shape: Callable[[Row], Item]) -> "Page[Item]":
        """Build from rows."""
        return cls(items=[shape(row) for row in page.rows], next_cursor=page.next_cursor)
