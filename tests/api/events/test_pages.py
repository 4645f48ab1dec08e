import httpx
import pytest

from api.db import Database
from api.models import Job, RunState
from tests.support.claims import succeed
from tests.support.problems import problem
from tests.support.submissions import submit

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


def test_a_jobs_log_begins_with_its_submission(api: httpx.Client) -> None:
    job = submit(api).json()
    page = api.get(job["links"]["events"]).json()
    event, reading = page["items"]
    assert (event["seq"], event["attempt"], event["kind"], event["data"]) == (1, 0, "submitted", {})
    assert event["at"].endswith("Z")
    assert (reading["seq"], reading["kind"], reading["data"]) == (2, "reading", job["dataset"]["reading"])
    assert (page["next_after"], page["ended"]) == (2, False)


def test_so_does_an_evaluations(api: httpx.Client, finished_job: str) -> None:
    evaluation = api.post(f"/jobs/{finished_job}/evaluations").json()
    page = api.get(evaluation["links"]["events"]).json()
    assert [event["kind"] for event in page["items"]] == ["submitted"]


def test_pages_join(api: httpx.Client, database: Database) -> None:
    job = submit(api).json()
    succeed(database, job["id"])
    url = job["links"]["events"]
    seen, after, pages = [], 0, 0
    while True:
        page = api.get(url, params={"after": after, "limit": 2}).json()
        seen += [event["kind"] for event in page["items"]]
        after, pages = page["next_after"], pages + 1
        if page["ended"]:
            break
    assert seen == ["submitted", "reading", "claimed", "warning", "succeeded"]
    assert (after, pages) == (5, 3)
    assert api.get(url, headers={"Last-Event-ID": "4"}).json()["items"][0]["kind"] == "succeeded"


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_runs_that_do_not_exist(api: httpx.Client, accept: str) -> None:
    headers = {"Accept": accept}
    problem(api.get("/jobs/job_x/events", headers=headers), 404, "job_not_found")
    problem(api.get("/evaluations/eval_x/events", headers=headers), 404, "evaluation_not_found")


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("sent", ["-1", "x", "99999999999999999999"])
def test_positions_that_cannot_be(api: httpx.Client, queued_job: str, accept: str, sent: str) -> None:
    url, headers = f"/jobs/{queued_job}/events", {"Accept": accept}
    errors = problem(api.get(url, params={"after": sent}, headers=headers), 422, "invalid_request")["errors"]
    assert errors[0]["field"] == "after"
    problem(api.get(url, headers=headers | {"Last-Event-ID": sent}), 422, "invalid_request")


def test_only_get_exists(api: httpx.Client, queued_job: str) -> None:
    response = api.post(f"/jobs/{queued_job}/events", headers={"Accept": "text/event-stream"})
    problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET, HEAD"


def test_a_run_from_before_there_was_a_log(api: httpx.Client, database: Database, queued_job: str) -> None:
    with database.transaction() as session:
        session.get_one(Job, queued_job).state = RunState.SUCCEEDED
    url = f"/jobs/{queued_job}/events"
    assert api.get(url).json() == {"items": [], "next_after": 0, "ended": True}
    assert api.get(url, headers={"Accept": "text/event-stream"}).status_code == 204
