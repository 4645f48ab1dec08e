import httpx
import pytest
import redis

from api.db import Database
from api.models import Job, RunState
from api.queue import QUEUE
from api.runs import claims
from api.runs.sweep import sweep_expired
from tests.support.claims import cancel, claimed, expire_lease, report
from tests.support.jobs import job, outbox_ids
from tests.support.problems import problem
from tests.support.submissions import submit


def test_a_queued_job_is_paused_at_once_and_queued_again(
    api: httpx.Client, database: Database, broker: redis.Redis, queued_job: str
) -> None:
    first, paused = (api.post(f"/jobs/{queued_job}/pause") for _ in range(2))
    assert (first.status_code, paused.status_code, paused.json()["state"]) == (202, 202, "paused")
    assert set(paused.json()["links"]) == {"self", "events", "evaluations", "cancel", "resume"}
    assert outbox_ids(database) == []
    assert broker.llen(QUEUE) == 0
    first, resumed = (api.post(f"/jobs/{queued_job}/resume") for _ in range(2))
    assert (first.status_code, resumed.status_code, resumed.json()["state"]) == (202, 202, "queued")
    assert set(resumed.json()["links"]) == {"self", "events", "evaluations", "cancel", "pause"}
    assert outbox_ids(database) == [queued_job]
    assert broker.llen(QUEUE) >= 1


def test_a_running_job_is_paused_by_its_worker(
    api: httpx.Client, database: Database, queued_job: str
) -> None:
    held = claimed(database, queued_job)
    assert api.post(f"/jobs/{queued_job}/pause").json()["state"] == "pausing"
    with database.transaction() as session:
        assert report(session, held) is RunState.PAUSING
        assert claims.hand_back(session, held) is RunState.PAUSED
    assert api.get("/jobs", params={"state": "paused"}).json()["items"][0]["id"] == queued_job
    assert outbox_ids(database) == []


def test_a_pause_can_be_taken_back(api: httpx.Client, database: Database, queued_job: str) -> None:
    held = claimed(database, queued_job)
    api.post(f"/jobs/{queued_job}/pause")
    assert api.post(f"/jobs/{queued_job}/resume").json()["state"] == "running"
    with database.transaction() as session:
        assert report(session, held) is RunState.RUNNING


def test_a_run_that_comes_to_its_end_while_pausing_has_succeeded(
    api: httpx.Client, database: Database, queued_job: str
) -> None:
    held = claimed(database, queued_job)
    api.post(f"/jobs/{queued_job}/pause")
    with database.transaction() as session:
        assert claims.succeed(session, held, metrics={}) is RunState.SUCCEEDED


@pytest.mark.parametrize("running", [True, False])
def test_what_is_paused_can_be_cancelled(
    api: httpx.Client, database: Database, queued_job: str, running: bool
) -> None:
    if running:
        claimed(database, queued_job)
    api.post(f"/jobs/{queued_job}/pause")
    state = api.post(f"/jobs/{queued_job}/cancel").json()["state"]
    assert state == ("cancelling" if running else "cancelled")
    problem(api.post(f"/jobs/{queued_job}/pause"), 409, "already_finished")
    problem(api.post(f"/jobs/{queued_job}/resume"), 409, "already_finished")


def test_a_worker_that_vanishes_while_pausing_leaves_it_paused(
    api: httpx.Client, database: Database, queued_job: str
) -> None:
    claimed(database, queued_job)
    api.post(f"/jobs/{queued_job}/pause")
    expire_lease(database, queued_job)
    with database.transaction() as session:
        assert sweep_expired(session, Job, max_attempts=1).paused == [queued_job]
    assert job(database, queued_job).state is RunState.PAUSED
    assert cancel(database, queued_job) is RunState.CANCELLED


@pytest.mark.parametrize("wish", ["pause", "resume"])
def test_a_job_that_is_not_there(api: httpx.Client, wish: str) -> None:
    problem(api.post(f"/jobs/job_none/{wish}"), 404, "job_not_found")


def test_a_deadline_counts_from_the_submission(api: httpx.Client, database: Database) -> None:
    sent = submit(api, deadline_seconds=3600).json()
    row = job(database, sent["id"])
    assert row.deadline_at is not None
    assert (row.deadline_at - row.created_at).total_seconds() == 3600
    assert sent["deadline_at"] is not None
    assert submit(api).json()["deadline_at"] is None


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "inf", "nan", "1e300"])
def test_a_deadline_that_is_none(api: httpx.Client, seconds: str) -> None:
    problem(submit(api, deadline_seconds=seconds), 422, "invalid_request")
