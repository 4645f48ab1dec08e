"""Pages as clients get them."""

import httpx
import pytest

from api.db import Database
from tests.support.jobs import add_job
from tests.support.problems import problem

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


@pytest.fixture
def ids(database: Database) -> list[str]:
    """Of five jobs, newest first."""
    found: list[str] = []
    for _ in range(5):
        with database.transaction() as session:
            found.append(add_job(session).id)
    return found[::-1]


def test_a_client_follows_the_cursor_to_the_end(api: httpx.Client, ids: list[str]) -> None:
    cursor, sizes, seen = None, [], []
    while len(sizes) < 5:
        shown = api.get("/jobs", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        assert set(shown) == {"items", "next_cursor"}
        seen += [item["id"] for item in shown["items"]]
        sizes.append(len(shown["items"]))
        cursor = shown["next_cursor"]
        if cursor is None:
            break
    assert (sizes, seen) == ([2, 2, 1], ids)


@pytest.mark.parametrize("limit", ["0", "201", "x", "-1"])
def test_a_limit_that_is_out_of_bounds_is_refused_by_name(api: httpx.Client, limit: str) -> None:
    errors = problem(api.get("/jobs", params={"limit": limit}), 422, "invalid_request")["errors"]
    assert [error["field"] for error in errors] == ["limit"]


def test_a_state_that_does_not_exist_is_refused_by_the_name_of_its_parameter(api: httpx.Client) -> None:
    body = problem(api.get("/jobs", params={"state": ["queued", "foo"]}), 422, "invalid_request")
    (error,) = body["errors"]
    assert (error["field"], error["got"]) == ("state", "foo")
    assert error["expected"].startswith("'queued', 'running'")


def test_a_wrong_cursor_is_refused(api: httpx.Client, ids: list[str]) -> None:
    assert (
        "'nonsense!'"
        in problem(api.get("/jobs", params={"cursor": "nonsense!"}), 422, "invalid_cursor")["detail"]
    )
