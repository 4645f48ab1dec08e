import http.client
import json
import time
from datetime import datetime, timedelta

import httpx
import pytest
from httpx_sse import connect_sse

from api.db import Database
from api.http.auth import RECHECK_SECONDS
from api.keys.secret import new_secret
from api.models import Job
from api.runs import claims
from api.runs.claims import Claim
from api.runs.events import EventKind
from api.settings import Settings
from tests.support.access import bearing, key_row, new_key, revoke
from tests.support.claims import claimed
from tests.support.jobs import job
from tests.support.live_api import running_api
from tests.support.problems import problem
from tests.support.submissions import submit
from tests.support.waiting import wait_until


@pytest.mark.parametrize(
    "header",
    [
        "Basic dXNlcjpwYXNz",
        "Bearer",
        "Bearer one two",
        "Bearer td3_x",
        pytest.param(f"Token {new_secret()}", id="another scheme"),
        pytest.param(f"Bearer {new_secret()}", id="unknown"),
        "Bearer \xe9",
    ],
)
@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_what_is_no_key_is_refused(api: httpx.Client, header: str) -> None:
    response = api.get("/jobs", headers=httpx.Headers({"Authorization": header}, encoding="latin-1"))
    body = problem(response, 401, "invalid_key")
    assert response.headers["www-authenticate"] == 'Bearer realm="td3", error="invalid_token"'
    assert not header[12:] or header[12:] not in str(body)


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_one_key_is_sent_in_one_header(api: httpx.Client, database: Database) -> None:
    key = new_key(database).secret
    assert api.get("/jobs", headers={"Authorization": f"bearer  {key}"}).status_code == 200
    twice = [("Authorization", f"Bearer {key}"), ("Authorization", f"Bearer {key}")]
    problem(api.get("/jobs", headers=twice), 401, "invalid_key")


def test_revoked_and_expired_keys_stop_within_a_second_in_every_process(
    settings: Settings, database: Database
) -> None:
    revoked, expired = new_key(database), new_key(database, lifetime=timedelta(seconds=2))
    with running_api(settings) as one, running_api(settings) as other:
        processes = (one, other)

        def statuses(headers: dict[str, str]) -> list[int]:
            return [process.get("/jobs", headers=headers).status_code for process in processes]

        for key in (revoked, expired):
            assert statuses(bearing(key)) == [200, 200]
        revoke(database, revoked)
        ended_at = time.monotonic()
        wait_until(lambda: statuses(bearing(revoked)) == [401, 401], seconds=1)
        assert time.monotonic() - ended_at < 1
        wait_until(lambda: statuses(bearing(expired)) == [401, 401], seconds=3)
        detail = problem(one.get("/jobs", headers=bearing(expired)), 401, "invalid_key")["detail"]
        assert detail == f"The API key {expired.row.id} has expired."


def test_a_stream_sends_nothing_more_once_its_key_is_revoked(
    api: httpx.Client, database: Database, queued_job: str
) -> None:
    key = new_key(database)
    held = claimed(database, queued_job)
    with connect_sse(api, "GET", f"/jobs/{queued_job}/events", headers=bearing(key)) as source:
        events = source.iter_sse()
        assert next(events).event == "claimed"
        time.sleep(RECHECK_SECONDS)
        note(database, held)
        assert next(events).event == "warning"
        revoke(database, key)
        time.sleep(RECHECK_SECONDS)
        note(database, held)
        assert [event for event in events if event.data] == []


def note(database: Database, held: Claim) -> None:
    with database.transaction() as session:
        claims.record(session, held, EventKind.WARNING)


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_a_client_that_is_still_uploading_learns_why_it_is_refused(api: httpx.Client) -> None:
    """By a client that reads nothing before it has sent everything."""
    client = http.client.HTTPConnection(api.base_url.host, api.base_url.port or 0, timeout=30)
    client.request("POST", "/jobs", body=b"x" * (20 << 20))
    response = client.getresponse()
    assert (response.status, json.load(response)["code"]) == (401, "unauthenticated")
    client.close()


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_a_run_and_the_log_name_the_key_and_never_show_it(
    api: httpx.Client, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    key = new_key(database)
    caplog.set_level("DEBUG")
    api.headers.update(bearing(key))
    submitted = submit(api).json()
    assert submitted["created_by"] == key.row.id
    assert job(database, submitted["id"]).created_by == key.row.id
    revoke(database, key)
    assert api.get("/jobs").status_code == 401
    assert api.get("/healthz").status_code == 200
    done = [record for record in caplog.records if record.msg == "request.done"]
    assert [getattr(record, "key_id", None) for record in done] == [key.row.id, None, None]
    assert key.secret not in str([record.__dict__ for record in caplog.records])


def test_a_run_without_access_control_names_no_key(settings: Settings, database: Database) -> None:
    with running_api(settings.model_copy(update={"access_control": "off"})) as api:
        submitted = submit(api).json()
    assert submitted["created_by"] is None
    with database.reading() as session:
        assert session.get_one(Job, submitted["id"]).created_by is None


def test_the_last_use_of_a_key_is_known_to_the_minute(settings: Settings, database: Database) -> None:
    key, unused = new_key(database), new_key(database)

    def used_at() -> datetime | None:
        return key_row(database, key).last_used_at

    with running_api(settings) as api:
        assert api.get("/jobs", headers=bearing(key)).status_code == 200
        wait_until(lambda: used_at() is not None)
        first = used_at()
        assert first is not None
        assert timedelta(0) <= first - key.row.created_at < timedelta(seconds=10)
        assert api.get("/jobs", headers=bearing(key)).status_code == 200
    assert used_at() == first
    assert key_row(database, unused).last_used_at is None


def test_a_use_just_before_the_end_is_written(settings: Settings, database: Database) -> None:
    key = new_key(database)
    with running_api(settings) as api:
        assert api.get("/jobs", headers=bearing(key)).status_code == 200
    assert key_row(database, key).last_used_at is not None
