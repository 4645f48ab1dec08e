import base64

import pytest
from sqlalchemy import select

from api.db import Database
from api.errors import InvalidCursorError
from api.models import DEFAULT_TENANT, Job
from api.pages import RowPage, page_of
from tests.support.jobs import add_job

WRONG_IDS = [base64.urlsafe_b64encode(text.encode()).decode() for text in ("job 1; --", "jäb_1", "")]


def page(database: Database, *, limit: int, cursor: str | None = None) -> RowPage[Job]:
    with database.reading() as session:
        query = select(Job).where(Job.tenant_id == DEFAULT_TENANT)
        return page_of(session, query, Job, limit=limit, cursor=cursor)


def pages(database: Database, *, limit: int) -> list[list[str]]:
    """The ids of each page, to the last."""
    found = [page(database, limit=limit)]
    while (cursor := found[-1].next_cursor) is not None:
        assert len(found) < 10, "there is no end"
        found.append(page(database, limit=limit, cursor=cursor))
    return [[row.id for row in one.rows] for one in found]


@pytest.fixture
def ids(database: Database) -> list[str]:
    """Of seven jobs, newest first, among those of somebody else."""
    found: list[str] = []
    for _ in range(7):
        with database.transaction() as session:
            found.append(add_job(session).id)
            add_job(session, tenant_id="another")
    return found[::-1]


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8])
def test_pages_join_to_the_list_newest_first(database: Database, ids: list[str], limit: int) -> None:
    """None is empty, and all but the last are full."""
    assert pages(database, limit=limit) == [ids[at : at + limit] for at in range(0, 7, limit)]


def test_an_empty_list_has_one_empty_page(database: Database) -> None:
    assert pages(database, limit=5) == [[]]


def test_what_comes_between_two_pages_shifts_nothing(database: Database, ids: list[str]) -> None:
    first = page(database, limit=3)
    with database.transaction() as session:
        add_job(session)
        session.delete(session.get_one(Job, ids[2]))  # the one that the cursor names
    second = page(database, limit=3, cursor=first.next_cursor)
    assert [row.id for row in second.rows] == ids[3:6]


@pytest.mark.parametrize("cursor", ["", "!", "ä", "job_1", "a" * 5, *WRONG_IDS])
def test_what_is_no_cursor_is_refused(database: Database, cursor: str) -> None:
    with pytest.raises(InvalidCursorError, match="expected the `next_cursor` of a page") as raised:
        page(database, limit=3, cursor=cursor)
    assert repr(cursor) in str(raised.value)
