"""Finding jobs and evaluations by what is known of them, in any combination and order."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import httpx
import pytest

from api.db import Database
from api.models import Job, RunState
from tests.support.problems import problem
from tests.support.runs import add_evaluation, add_run

DAY = timedelta(days=1)
START = datetime(2026, 1, 10, tzinfo=UTC)
RUNS: dict[str, dict[str, Any]] = {
    "first": {
        "state": RunState.SUCCEEDED,
        "labels": {"team": "ranking", "env": "prod"},
        "created_by": "key_ada",
        "finished_at": START + 9 * DAY,
    },
    "second": {
        "state": RunState.FAILED,
        "labels": {"team": "ranking"},
        "error": {"code": "worker_lost", "detail": "gone"},
        "created_by": "key_ben",
        "finished_at": START + 2 * DAY,
        "log": "other.csv",
        "sha256": "1" * 64,
    },
    "third": {
        "state": RunState.FAILED,
        "labels": {"team": "search", "env": "dev"},
        "error": {"code": "bad_rows", "detail": "no"},
        "finished_at": START + 5 * DAY,
        "log": "other.csv",
        "sha256": "2" * 64,
    },
    "fourth": {"state": RunState.QUEUED, "labels": {"env": "", "note": "a: b ü"}, "created_by": "key_ada"},
}
"""By name, each submitted a day after the one before."""
ALL = {"first", "second", "third", "fourth"}
CASES: list[tuple[dict[str, Any], set[str]]] = [
    ({}, ALL),
    ({"state": "failed"}, {"second", "third"}),
    ({"state": ["failed", "queued"]}, {"second", "third", "fourth"}),
    ({"not_state": "failed"}, {"first", "fourth"}),
    ({"not_state": ["failed", "queued"]}, {"first"}),
    ({"label": "team"}, {"first", "second", "third"}),
    ({"label": "team:ranking"}, {"first", "second"}),
    ({"label": "team:rank"}, set()),
    ({"label": "env:"}, {"fourth"}),
    ({"label": "note:a: b ü"}, {"fourth"}),
    ({"label": ["team:ranking", "env"]}, {"first"}),
    ({"not_label": "env"}, {"second"}),
    ({"not_label": ["team:ranking", "env:dev"]}, {"fourth"}),
    ({"label": "team", "not_label": "team:search"}, {"first", "second"}),
    ({"dataset": "other.csv"}, {"second", "third"}),
    ({"dataset": "1" * 64}, {"second"}),
    ({"dataset": ["1" * 64, "log.csv"]}, {"first", "second", "fourth"}),
    ({"not_dataset": "other.csv"}, {"first", "fourth"}),
    ({"created_by": "key_ada"}, {"first", "fourth"}),
    ({"created_by": ["key_ada", "key_ben"]}, {"first", "second", "fourth"}),
    ({"not_created_by": "key_ada"}, {"second", "third"}),
    ({"error": "worker_lost"}, {"second"}),
    ({"error": ["worker_lost", "bad_rows"]}, {"second", "third"}),
    ({"not_error": "worker_lost"}, {"first", "third", "fourth"}),
    ({"created_since": (START + DAY).isoformat()}, {"second", "third", "fourth"}),
    ({"created_until": (START + DAY).isoformat()}, {"first"}),
    ({"finished_since": (START + 5 * DAY).isoformat()}, {"first", "third"}),
    ({"finished_until": (START + 5 * DAY).isoformat()}, {"second"}),
    ({"state": "failed", "label": "team", "not_error": "bad_rows", "not_created_by": "key_ada"}, {"second"}),
    ({"state": "succeeded", "error": "worker_lost"}, set()),
]


@pytest.fixture
def runs(database: Database) -> dict[str, str]:
    """Ids of jobs by name, beside a job of another project."""
    with database.transaction() as session:
        found: dict[str, str] = {}
        for day, (name, columns) in enumerate(RUNS.items()):
            found[name] = add_run(session, name=name, created_at=START + day * DAY, **columns).id
        add_run(session, name="theirs", tenant_id="another", labels={"team": "ranking", "env": "prod"})
    return found


@pytest.fixture
def evaluated(database: Database, runs: dict[str, str]) -> dict[str, str]:
    """Ids of two evaluations of the second job and of one of the first."""
    with database.transaction() as session:
        first, second = (session.get_one(Job, runs[name]) for name in ("first", "second"))
        return {
            "a": add_evaluation(session, second, labels={"round": "1"}).id,
            "b": add_evaluation(
                session, second, state=RunState.FAILED, error={"code": "diverged", "detail": ""}
            ).id,
            "c": add_evaluation(session, first, labels={"round": "2"}).id,
        }


def names(api: httpx.Client, **wanted: Any) -> list[str]:
    answer = api.get("/jobs", params=wanted)
    assert answer.status_code == 200, answer.text
    return [job["name"] for job in answer.json()["items"]]


def test_a_filter_finds_what_it_says(api: httpx.Client, runs: dict[str, str]) -> None:
    for wanted, expected in CASES:
        found = names(api, **wanted)
        assert (set(found), len(found)) == (expected, len(expected)), wanted


def test_any_two_filters_find_what_both_find(api: httpx.Client, runs: dict[str, str]) -> None:
    single = [case for case in CASES if len(case[0]) == 1]
    for (one, first), (other, second) in product(single[::3], single[1::3]):
        if one.keys().isdisjoint(other):
            assert set(names(api, **one, **other)) == first & second, (one, other)


def test_a_list_is_in_the_order_that_is_asked_for(api: httpx.Client, runs: dict[str, str]) -> None:
    assert names(api) == names(api, sort="-created_at") == ["fourth", "third", "second", "first"]
    assert names(api, sort="created_at") == ["first", "second", "third", "fourth"]
    assert names(api, sort="finished_at") == ["second", "third", "first"]
    assert names(api, sort="-finished_at", not_label="env:dev") == ["first", "second"]


def pages(api: httpx.Client, **wanted: Any) -> Iterator[tuple[list[str], str | None]]:
    cursor = None
    while True:
        page = api.get("/jobs", params=wanted | ({"cursor": cursor} if cursor else {})).json()
        cursor = page["next_cursor"]
        yield [job["name"] for job in page["items"]], cursor
        if cursor is None:
            return


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "finished_at", "-finished_at"])
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_join_to_the_list(api: httpx.Client, database: Database, sort: str, limit: int) -> None:
    """Of runs that began and ended in threes at the same moment."""
    with database.transaction() as session:
        for n in range(7):
            at = START + n // 3 * DAY
            add_run(session, name=f"{n}", created_at=at, state=RunState.FAILED, finished_at=at + DAY)
    expected = [f"{n}" for n in range(7)]
    joined = [name for found, _ in pages(api, sort=sort, limit=limit, state="failed") for name in found]
    assert joined == (expected[::-1] if sort.startswith("-") else expected)


def test_what_comes_and_goes_between_two_pages_shifts_nothing(
    api: httpx.Client, database: Database, runs: dict[str, str]
) -> None:
    listed = pages(api, sort="-finished_at", limit=1)
    assert next(listed)[0] == ["first"]
    with database.transaction() as session:
        add_run(session, name="later", state=RunState.FAILED, finished_at=START + 20 * DAY)
        session.delete(session.get_one(Job, runs["first"]))
    assert [found for found, _ in listed] == [["third"], ["second"]]


def test_a_cursor_of_another_query_is_refused(api: httpx.Client, runs: dict[str, str]) -> None:
    _, cursor = next(pages(api, state=["failed", "queued"], limit=1))
    assert names(api, state=["queued", "failed"], cursor=cursor) == ["third", "second"]
    for other in ({}, {"state": "failed"}, {"state": ["failed", "queued"], "sort": "created_at"}):
        body = problem(api.get("/jobs", params=other | {"cursor": cursor}), 422, "invalid_cursor")
        assert "the same filters" in body["detail"]
    answer = api.get("/evaluations", params={"state": ["failed", "queued"], "cursor": cursor})
    problem(answer, 422, "invalid_cursor")


@pytest.mark.parametrize(
    "place", ["", "job_1", "{of}.1", "{of}.-1.job_1", "{of}.x.job_1", "{of}.1.jäb", "{of}.1" + "0" * 17]
)
def test_what_is_no_cursor_is_refused(api: httpx.Client, runs: dict[str, str], place: str) -> None:
    _, cursor = next(pages(api, limit=1))
    assert cursor is not None
    of = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(".")[0]
    made_up = base64.urlsafe_b64encode(place.format(of=of).encode()).decode().rstrip("=")
    problem(api.get("/jobs", params={"cursor": made_up}), 422, "invalid_cursor")


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"label": ":x"}, "label"),
        ({"label": "a b"}, "label"),
        ({"label": "k:\n"}, "label"),
        ({"label": ["a"] * 21}, "label"),
        ({"not_state": "gone"}, "not_state"),
        ({"sort": "name"}, "sort"),
        ({"created_since": "2026-01-01T00:00:00"}, "created_since"),
        ({"error": ""}, "error"),
    ],
    ids=str,
)
def test_a_filter_that_means_nothing_is_refused_by_name(
    api: httpx.Client, wanted: dict[str, Any], field: str
) -> None:
    errors = problem(api.get("/jobs", params=wanted), 422, "invalid_request")["errors"]
    assert errors[0]["field"].startswith(field)


def test_evaluations_are_listed_across_jobs(
    api: httpx.Client, runs: dict[str, str], evaluated: dict[str, str]
) -> None:
    def found(path: str = "/evaluations", **wanted: Any) -> str:
        items = api.get(path, params=wanted).json()["items"]
        return "".join(name for item in items for name, id_ in evaluated.items() if id_ == item["id"])

    assert found() == "cba"
    assert found(sort="created_at") == "abc"
    assert found(state="failed") == found(error="diverged") == "b"
    assert found(label="round") == "ca"
    assert found(dataset="other.csv") == "ba"
    assert found(not_dataset="other.csv") == "c"
    assert found(f"/jobs/{runs['second']}/evaluations", not_error="diverged") == "a"
