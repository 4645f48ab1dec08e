from collections.abc import Iterator

import httpx
import pytest

from api.access.scopes import Scope
from api.db import Database
from api.settings import Settings
from tests.support.access import bearing, new_key
from tests.support.live_api import running_api
from tests.support.problems import problem
from tests.support.submissions import submit


def test_a_run_has_the_class_that_was_asked_for(api: httpx.Client, finished_job: str) -> None:
    assert submit(api).json()["priority"] == "normal"
    low = submit(api, spec={"seed": 1}, priority="low").json()
    assert low["priority"] == api.get(f"/jobs/{low['id']}").json()["priority"] == "low"
    evaluations = f"/jobs/{finished_job}/evaluations"
    assert api.post(evaluations).json()["priority"] == "normal"
    high = api.post(evaluations, params={"priority": "high"}).json()
    assert api.get(f"/evaluations/{high['id']}").json()["priority"] == "high"
    refused = problem(submit(api, priority="urgent"), 422, "invalid_request")
    assert [error["field"] for error in refused["errors"]] == ["priority"]


def test_an_identical_job_rises_to_the_class_and_never_falls(api: httpx.Client) -> None:
    first = submit(api, priority="low").json()
    for asked, now in (("normal", "normal"), ("low", "normal"), ("high", "high")):
        same = submit(api, priority=asked).json()
        assert (same["id"], same["deduplicated"], same["priority"]) == (first["id"], True, now)
        assert api.get(f"/jobs/{first['id']}").json()["priority"] == now


def test_the_class_belongs_to_what_a_key_of_idempotency_stands_for(api: httpx.Client) -> None:
    first = submit(api, key="once")
    assert submit(api, key="once", priority="normal").json() == first.json()
    problem(submit(api, key="once", priority="low"), 422, "idempotency_key_reused")


@pytest.fixture
def closed(settings: Settings) -> Iterator[httpx.Client]:
    with running_api(settings.model_copy(update={"access_control": "keys"})) as client:
        yield client


def test_the_highest_class_needs_a_scope(closed: httpx.Client, database: Database) -> None:
    closed.headers.update(bearing(new_key(database, {Scope.JOBS_WRITE})))
    assert submit(closed, priority="low").status_code == 202
    refused = problem(submit(closed, priority="high"), 403, "missing_scope")
    assert [error["scope"] for error in refused["errors"]] == ["admin"]
    closed.headers.update(bearing(new_key(database, {Scope.ADMIN})))
    assert submit(closed, spec={"seed": 1}, priority="high").status_code == 202


def test_everybody_may_be_allowed_to_use_it(settings: Settings, database: Database) -> None:
    open_to_all = settings.model_copy(update={"access_control": "keys", "high_priority": "everybody"})
    with running_api(open_to_all) as api:
        api.headers.update(bearing(new_key(database, {Scope.JOBS_WRITE})))
        assert submit(api, priority="high").json()["priority"] == "high"
