"""What a project may use: never exceeded, never in the way of those who read or clean up."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from api.db import Database, now
from api.models import Evaluation, Job, Upload
from api.settings import Settings
from tests.support.interaction_logs import LOG, csv_log
from tests.support.jobs import count
from tests.support.live_api import running_api
from tests.support.problems import problem
from tests.support.submissions import submit
from tests.support.summaries import ARCHIVE, add_summary

AT_ONCE = 100
JOBS_AT_ONCE = 24  # whose logs are read, each in a process
MAY_WAIT = 7


@pytest.fixture
def patient(settings: Settings) -> Iterator[httpx.Client]:
    """A client and a service that wait for as long as a busy machine takes for many requests at once."""
    waiting = {"max_uploads": 2 * AT_ONCE, "database_lock_seconds": 300, "database_statement_seconds": 300}
    with running_api(settings.model_copy(update=waiting)) as api:
        api.timeout = httpx.Timeout(300)
        yield api


def limit(api: httpx.Client, **limits: int | None) -> dict[str, Any]:
    """Set limits of the project of this client."""
    response = api.patch("/v1/projects/default", json={"limits": limits})
    assert response.status_code == 200, response.text
    return response.json()


def left(api: httpx.Client, name: str) -> dict[str, Any]:
    """What is left of a limit."""
    return next(each for each in api.get("/v1/me").json()["limits"] if each["name"] == name)


def all_at_once(requests: int, send: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    together = threading.Barrier(requests)

    def contend(number: int) -> httpx.Response:
        together.wait()
        return send(number)

    with ThreadPoolExecutor(requests) as pool:
        return list(pool.map(contend, range(requests)))


def test_of_many_jobs_at_once_as_many_are_accepted_as_may_wait(
    patient: httpx.Client, database: Database
) -> None:
    limit(patient, queued_runs=MAY_WAIT)
    answers = all_at_once(JOBS_AT_ONCE, lambda _: submit(patient, force=True))
    accepted = [answer.json()["id"] for answer in answers if answer.status_code == 202]
    assert len(accepted) == MAY_WAIT == count(database, Job)
    for answer in answers:
        if answer.status_code != 202:
            problem(answer, 429, "queued_runs_limit")
    assert left(patient, "queued_runs") == {"name": "queued_runs", "limit": 7, "used": 7, "left": 0}

    assert patient.post(f"/jobs/{accepted[0]}/pause").status_code == 202
    problem(submit(patient, force=True), 429, "queued_runs_limit")  # what is paused waits, too
    assert patient.post(f"/jobs/{accepted[0]}/cancel").status_code == 202
    assert submit(patient, force=True).status_code == 202
    problem(submit(patient, force=True), 429, "queued_runs_limit")
    limit(patient, queued_runs=MAY_WAIT + 1)
    assert submit(patient, force=True).status_code == 202
    limit(patient, queued_runs=None)
    assert submit(patient, force=True).status_code == 202


def test_of_many_submits_at_once_as_many_are_accepted_as_may_be_stored(patient: httpx.Client) -> None:
    def distinct(number: int) -> httpx.Response:
        return submit(patient, LOG + f"u1,i1,{100 + number}\n")

    first = distinct(99).json()["id"]
    each = left(patient, "stored_bytes")["used"]
    assert each > len(LOG)
    limit(patient, stored_bytes=3 * each + each // 2)
    answers = all_at_once(12, distinct)
    assert [answer.status_code for answer in answers].count(202) == 2
    for answer in answers:
        if answer.status_code != 202:
            problem(answer, 429, "stored_bytes_limit")
    assert left(patient, "stored_bytes")["used"] == 3 * each

    same = distinct(99)
    assert (same.status_code, same.json()["id"]) == (200, first)
    assert patient.get(f"/jobs/{first}").status_code == 200
    assert patient.post(f"/jobs/{first}/cancel").status_code == 202
    used = left(patient, "stored_bytes")["used"]
    assert used == 3 * each - (
        each - len(LOG) - len("u1,i1,199\n")
    )  # its log is kept, its summary never comes


def test_what_is_reserved_becomes_what_is_stored(
    api: httpx.Client, database: Database, settings: Settings, tmp_path: Path
) -> None:
    job_id = submit(api).json()["id"]
    reserved = left(api, "stored_bytes")["used"] - len(LOG)
    assert reserved > 0
    again = submit(api, spec={"seed": 1})
    assert left(api, "stored_bytes")["used"] == len(LOG) + 2 * reserved  # one log of both
    api.post(f"/jobs/{again.json()['id']}/cancel")
    add_summary(database, settings, job_id, tmp_path)
    assert left(api, "stored_bytes")["used"] == len(LOG) + len(ARCHIVE)
    with database.transaction() as session:
        job = session.get_one(Job, job_id)
        assert job.summary is not None
        job.summary.expired_at = now(session)
    assert left(api, "stored_bytes")["used"] == len(LOG)


def test_of_a_hundred_submits_at_once_as_many_are_accepted_as_may_wait(
    patient: httpx.Client, database: Database, finished_job: str
) -> None:
    limit(patient, queued_runs=MAY_WAIT)
    path = f"/jobs/{finished_job}/evaluations"
    answers = all_at_once(AT_ONCE, lambda _: patient.post(path))
    assert [answer.status_code for answer in answers].count(202) == MAY_WAIT == count(database, Evaluation)
    refused = next(answer for answer in answers if answer.status_code != 202)
    body = problem(refused, 429, "queued_runs_limit")
    assert body["errors"] == [{"limit": "queued_runs", "used": 7, "allowed": 7, "wanted": 1}]
    assert int(refused.headers["retry-after"]) > 0
    assert refused.headers["ratelimit-policy"] == '"queued_runs";q=7'
    assert refused.headers["ratelimit"] == '"queued_runs";r=0'
    problem(submit(patient), 429, "queued_runs_limit")


def test_a_submit_that_comes_near_a_limit_says_so(api: httpx.Client) -> None:
    limit(api, queued_runs=5)
    third = [submit(api, force=True) for _ in range(3)][-1]
    assert third.json()["nearly_reached"] == []
    fourth = submit(api, force=True)
    assert fourth.json()["nearly_reached"] == [{"name": "queued_runs", "limit": 5, "used": 4, "left": 1}]
    assert fourth.headers["ratelimit"] == '"queued_runs";r=1'


def uploads(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(Upload)) or 0


def test_more_uploads_at_once_than_a_project_may_send(settings: Settings, database: Database) -> None:
    with running_api(settings.model_copy(update={"limit_uploads": 1})) as api:
        with database.transaction() as session:
            lost = Upload(id="upload_1", tenant_id="default", expires_at=now(session) - timedelta(seconds=1))
            theirs = Upload(id="upload_2", tenant_id="other", expires_at=now(session) + timedelta(hours=1))
            session.add_all((lost, theirs))
        with closing(socket.create_connection((api.base_url.host, api.base_url.port or 80))) as client:
            head = "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n"
            client.sendall((head + "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n").encode())
            while uploads(database) < 3:
                assert api.get("/healthz").status_code == 200
            for path in "/v1/jobs", "/v1/jobs/validate":
                refused = api.post(path, files={"dataset": ("log.csv", csv_log())})
                problem(refused, 429, "uploads_limit")
                assert refused.headers["ratelimit-policy"] == '"uploads";q=1;qu="concurrent-requests"'
        while uploads(database) > 2:
            assert api.get("/healthz").status_code == 200
        assert submit(api).status_code == 202
        assert uploads(database) == 2


def test_a_job_may_be_as_large_as_the_project_may_have_it(api: httpx.Client, finished_job: str) -> None:
    limit(api, log_bytes=len(LOG), run_steps=20_000)
    assert submit(api, spec={"outer": {"steps": 5}}).status_code == 202
    problem(submit(api, LOG + "\n"), 413, "too_large")
    body = problem(submit(api, spec={"outer": {"steps": 10_000}}), 422, "invalid_spec")
    assert "at most 20,000 are allowed" in body["detail"]
    problem(
        api.post(f"/jobs/{finished_job}/evaluations", json={"steps": 5000, "seeds": 9}), 422, "invalid_spec"
    )
    limit(api, log_bytes=2**50)
    problem(submit(api, "x" * (2 * 2**20 + 1)), 413, "too_large")  # the service takes no more from anybody
