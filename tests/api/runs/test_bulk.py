"""Cancelling and deleting all jobs that a filter finds, once it is known how many they are."""

from typing import Any

import httpx
import pytest
from sqlalchemy import select

from api.db import Database, now
from api.ids import new_id
from api.models import Job, RunState
from api.runs.bulk import MOST
from tests.support.problems import problem
from tests.support.runs import add_evaluation, add_run

STATES = (RunState.QUEUED, RunState.RUNNING, RunState.PAUSED, RunState.FAILED, RunState.SUCCEEDED)


@pytest.fixture
def runs(database: Database) -> dict[str, str]:
    """Ids of a job in each of some states, one pinned, one with an evaluation that runs, and one of another project."""
    with database.transaction() as session:
        at = now(session)
        ended = {state: at if state.ended else None for state in STATES}
        found = {
            str(state): add_run(session, state=state, finished_at=ended[state], labels={"team": "a"}).id
            for state in STATES
        }
        failed: dict[str, Any] = {"state": RunState.FAILED, "finished_at": at, "labels": {"team": "a"}}
        found["pinned"] = add_run(session, pinned=True, **failed).id
        evaluated = add_run(session, **failed)
        add_evaluation(session, evaluated, state=RunState.RUNNING)
        found["evaluated"] = evaluated.id
        add_run(session, tenant_id="another", **failed)
        add_run(session, tenant_id="another", state=RunState.QUEUED, labels={"team": "a"})
    return found


def states(database: Database) -> dict[str, tuple[RunState, bool]]:
    with database.reading() as session:
        rows = session.execute(select(Job.id, Job.state, Job.deleted_at))
        return {id_: (state, deleted_at is not None) for id_, state, deleted_at in rows}


def ask(api: httpx.Client, what: str, wanted: dict[str, Any], expected: int | None = None) -> httpx.Response:
    return api.post(f"/jobs/{what}", json={"filter": wanted, "expected": expected})


def told(response: httpx.Response) -> tuple[int, bool]:
    assert response.status_code == 200, response.text
    return response.json()["count"], response.json()["done"]


def test_what_has_not_ended_is_cancelled_once_it_is_known_how_many(
    api: httpx.Client, database: Database, runs: dict[str, str]
) -> None:
    before = states(database)
    assert told(ask(api, "cancel", {"label": ["team:a"]})) == (3, False)
    problem(ask(api, "cancel", {"label": ["team:a"]}, 2), 409, "count_changed")
    assert states(database) == before
    assert told(ask(api, "cancel", {"label": ["team:a"]}, 3)) == (3, True)
    after = {runs["queued"]: "cancelled", runs["running"]: "cancelling", runs["paused"]: "cancelled"}
    assert {id_: state for id_, (state, _) in states(database).items() if before[id_][0] != state} == after
    entries = api.get("/audit", params={"action": "job.cancelled"}).json()["items"]
    assert {entry["target"]: entry["after"]["state"] for entry in entries} == after
    assert told(ask(api, "cancel", {"label": ["team:a"]}, 0)) == (0, True)


def test_what_can_be_deleted_is_once_it_is_known_how_many(
    api: httpx.Client, database: Database, runs: dict[str, str]
) -> None:
    before = states(database)
    assert told(ask(api, "delete", {"label": ["team:a"]})) == (2, False)
    problem(ask(api, "delete", {"label": ["team:a"]}, 3), 409, "count_changed")
    assert states(database) == before
    done = ask(api, "delete", {"label": ["team:a"]}, 2)
    assert told(done) == (2, True)
    assert done.json()["frees_bytes"] == 0  # the others have the same log
    gone = {id_ for id_, (_, deleted) in states(database).items() if deleted}
    assert gone == {runs["failed"], runs["succeeded"]}
    assert {entry["target"] for entry in api.get("/audit?action=job.deleted").json()["items"]} == gone
    assert told(ask(api, "delete", {"label": ["team:a"]})) == (0, False)
    for id_ in gone:
        assert api.post(f"/jobs/{id_}/restore").status_code == 200


@pytest.mark.parametrize("what", ["cancel", "delete"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "filter"),
        ({"filter": {}}, "filter"),
        ({"filter": {"state": []}, "expected": 0}, "filter"),
        ({"filter": {"stat": ["failed"]}}, "filter.stat"),
        ({"filter": {"deleted": True}}, "filter.deleted"),
        ({"filter": {"finished_until": 0.0}}, "filter.finished_until"),
        ({"filter": {"state": ["failed"]}, "expected": MOST + 1}, "expected"),
        ({"filter": {"state": ["failed"]}, "dry_run": False}, "dry_run"),
    ],
    ids=["nothing", "empty", "empty list", "typing error", "deleted", "a number", "too many", "unknown"],
)
def test_a_request_that_may_mean_too_much_is_refused(
    api: httpx.Client, runs: dict[str, str], database: Database, what: str, body: dict[str, Any], field: str
) -> None:
    before = states(database)
    errors = problem(api.post(f"/jobs/{what}", json=body), 422, "invalid_request")["errors"]
    assert errors[0]["field"] == field
    assert states(database) == before


def test_more_than_one_request_may_take_are_left_alone(api: httpx.Client, database: Database) -> None:
    with database.transaction() as session:
        for _ in range(MOST + 1):
            add_run(session, state=RunState.FAILED, finished_at=now(session), sha256=new_id("ds"))
    counted = ask(api, "delete", {"state": ["failed"]})
    assert (told(counted), counted.json()["most"]) == ((MOST + 1, False), MOST)
    problem(ask(api, "delete", {"state": ["failed"]}, MOST), 409, "count_changed")
    assert not any(deleted for _, deleted in states(database).values())
