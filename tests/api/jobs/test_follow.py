from typing import Any

import httpx
import pytest

from api.db import Database
from api.models import Job, RunState
from tests.support.claims import claimed, report
from tests.support.jobs import add_job, job, outbox_ids
from tests.support.problems import problem


@pytest.fixture
def five_jobs(database: Database) -> list[str]:
    """Ids, oldest first."""
    with database.transaction() as session:
        return [add_job(session).id for _ in range(5)]


def test_an_empty_list(api: httpx.Client) -> None:
    assert api.get("/jobs").json() == {"items": [], "next_cursor": None}


def test_pages_go_back_in_time_and_new_jobs_do_not_move_them(
    api: httpx.Client, database: Database, five_jobs: list[str]
) -> None:
    seen: list[str] = []
    page = api.get("/jobs", params={"limit": 2}).json()
    while True:
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        with database.transaction() as session:
            add_job(session)
        page = api.get("/jobs", params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert seen == five_jobs[::-1]


def test_jobs_by_state(api: httpx.Client, database: Database, five_jobs: list[str]) -> None:
    claimed(database, five_jobs[1])
    api.post(f"/jobs/{five_jobs[3]}/cancel")
    running = api.get("/jobs", params={"state": "running"}).json()["items"]
    assert [item["id"] for item in running] == [five_jobs[1]]
    both = api.get("/jobs", params={"state": ["running", "cancelled"]}).json()["items"]
    assert [item["id"] for item in both] == [five_jobs[3], five_jobs[1]]


def test_other_tenants_jobs_do_not_exist(api: httpx.Client, database: Database) -> None:
    with database.transaction() as session:
        theirs = add_job(session, tenant_id="somebody_else").id
    assert api.get("/jobs").json()["items"] == []
    problem(api.get(f"/jobs/{theirs}"), 404, "job_not_found")
    problem(api.get(f"/jobs/{theirs}/summary"), 404, "job_not_found")
    problem(api.get(f"/jobs/{theirs}/evaluations"), 404, "job_not_found")
    problem(api.post(f"/jobs/{theirs}/cancel"), 404, "job_not_found")
    problem(api.post(f"/jobs/{theirs}/evaluations"), 404, "job_not_found")
    assert job(database, theirs).state is RunState.QUEUED


def test_an_id_that_no_database_can_hold(api: httpx.Client, database: Database) -> None:
    stored = {"sqlite": (404, "job_not_found"), "postgresql": (400, "bad_request")}
    problem(api.get("/jobs/%00"), *stored[database.engine.dialect.name])


@pytest.mark.parametrize("cursor", ["nonsense!", "////", "eA", "4pyT"])
def test_a_cursor_that_is_not_ours(api: httpx.Client, cursor: str) -> None:
    response = api.get("/jobs", params={"cursor": cursor})
    if response.status_code == 200:  # some random text is an id of nothing: an empty page
        assert response.json() == {"items": [], "next_cursor": None}
    else:
        problem(response, 422, "invalid_cursor")


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 201}, {"limit": "x"}, {"state": "lost"}])
def test_wrong_queries(api: httpx.Client, query: dict[str, str]) -> None:
    (field,) = query
    errors = problem(api.get("/jobs", params=query), 422, "invalid_request")["errors"]
    assert errors[0]["field"].partition(".")[0] == field
    assert errors[0]["got"] == str(query[field])


def test_a_running_job_shows_how_far_it_is(api: httpx.Client, database: Database, queued_job: str) -> None:
    held = claimed(database, queued_job)
    with database.transaction() as session:
        report(session, held)
    shown = api.get(f"/jobs/{queued_job}").json()
    assert (shown["state"], shown["stage"], shown["progress"]) == ("running", "distilling", 0.5)
    assert (shown["step"], shown["steps"], shown["losses"]) == (3, 6, {"outer": 1.5})
    assert shown["scores"] == {"ndcg@10": 0.2}
    assert (shown["eta_seconds"], shown["attempt"]) == (9.0, 1)
    assert shown["started_at"] >= shown["created_at"]
    assert shown["created_at"].endswith("Z")


def test_cancelling(api: httpx.Client, database: Database, queued_job: str) -> None:
    response = api.post(f"/jobs/{queued_job}/cancel")
    assert (response.status_code, response.json()["state"]) == (202, "cancelled")
    assert response.json()["finished_at"]
    assert "cancel" not in response.json()["links"]
    assert outbox_ids(database) == []
    again = api.post(f"/jobs/{queued_job}/cancel")
    assert (again.status_code, again.json()["state"]) == (202, "cancelled")


def test_cancelling_a_running_job_asks_its_worker(
    api: httpx.Client, database: Database, queued_job: str
) -> None:
    claimed(database, queued_job)
    for _ in range(2):
        response = api.post(f"/jobs/{queued_job}/cancel")
        assert (response.status_code, response.json()["state"]) == (202, "cancelling")
        assert response.json()["finished_at"] is None


def test_what_has_ended_cannot_be_cancelled(api: httpx.Client, database: Database, queued_job: str) -> None:
    with database.transaction() as session:
        session.get_one(Job, queued_job).state = RunState.SUCCEEDED
    assert "succeeded" in problem(api.post(f"/jobs/{queued_job}/cancel"), 409, "already_finished")["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/jobs/job_x"), ("POST", "/jobs/job_x/cancel"), ("GET", "/jobs/job_x/summary")],
)
def test_unknown_jobs(api: httpx.Client, method: str, path: str) -> None:
    assert "job_x" in problem(api.request(method, path), 404, "job_not_found")["detail"]


WARNING = {
    "reason": "popularity",
    "training": "teacher",
    "score": 0.04,
    "last_score": 0.03,
    "popularity": 0.043,
    "restarts": 2,
    "detail": "teacher: no better than popularity",
}
METRICS = {
    "teacher": {"valid_ndcg@10": 0.11},
    "summary": {"valid_ndcg@10": 0.1, "outer_step": 25},
    "certificate": None,
    "stopped": {"reason": "diverged", "detail": "the outer loss was nan"},
    "log_parquet_bytes": 87_000,
    "warnings": [WARNING],
    "seconds": {"teacher": 1.5},
}


@pytest.mark.parametrize(
    "metrics", [METRICS, METRICS | {"of_the_future": [1]}, {"teacher": {"of_the_future": [1]}}, {}], ids=str
)
def test_metrics_are_shown_even_if_another_version_wrote_them(
    api: httpx.Client, database: Database, queued_job: str, metrics: dict[str, Any]
) -> None:
    with database.transaction() as session:
        session.get_one(Job, queued_job).metrics = metrics
    shown = api.get(f"/v1/jobs/{queued_job}").json()
    assert shown["metrics"] == metrics
    assert api.get("/v1/jobs").json()["items"] == [shown]
