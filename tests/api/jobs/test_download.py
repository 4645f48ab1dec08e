import logging
from pathlib import Path

import httpx
import pytest

from api.db import Database
from api.models import Job, RunState
from api.settings import Settings
from api.storage import open_storage
from tests.support.live_api import running_api
from tests.support.problems import problem
from tests.support.summaries import ARCHIVE, ETAG, SHA256, add_summary

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


@pytest.fixture
def url(database: Database, settings: Settings, queued_job: str, tmp_path: Path) -> str:
    add_summary(database, settings, queued_job, tmp_path)
    return f"/jobs/{queued_job}/summary"


def test_the_whole_archive(api: httpx.Client, url: str, queued_job: str) -> None:
    response = api.get(url)
    assert (response.status_code, response.content) == (200, ARCHIVE)
    assert response.headers["etag"] == ETAG
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["content-length"] == str(len(ARCHIVE))
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["content-disposition"] == f'attachment; filename="td3-summary-{queued_job}.zip"'
    shown = api.get(f"/jobs/{queued_job}").json()
    assert shown["summary"] == {"bytes": len(ARCHIVE), "sha256": SHA256, "href": url, "expired_at": None}
    assert shown["links"]["summary"] == url


def test_its_head(api: httpx.Client, url: str) -> None:
    response = api.head(url)
    assert (response.status_code, response.content) == (200, b"")
    assert (response.headers["etag"], response.headers["content-length"]) == (ETAG, str(len(ARCHIVE)))


@pytest.mark.parametrize("sent", [ETAG, f"W/{ETAG}", f'"other", {ETAG}', "*"])
def test_what_the_client_has_is_not_sent_again(api: httpx.Client, url: str, sent: str) -> None:
    response = api.get(url, headers={"If-None-Match": sent})
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", ETAG)


def test_what_the_client_has_not_is_sent(api: httpx.Client, url: str) -> None:
    assert api.get(url, headers={"If-None-Match": '"other"'}).content == ARCHIVE


@pytest.mark.parametrize(
    ("sent", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-1999", 100, 2000),
        ("bytes=2047999-", 2047999, 2048000),
        ("bytes=2000000-9999999", 2000000, 2048000),
        ("bytes=-5", 2047995, 2048000),
        ("bytes=-9999999", 0, 2048000),
        ("BYTES=5-6", 5, 7),
    ],
)
def test_a_range(api: httpx.Client, url: str, sent: str, start: int, end: int) -> None:
    response = api.get(url, headers={"Range": sent})
    assert response.status_code == 206
    assert response.content == ARCHIVE[start:end]
    assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{len(ARCHIVE)}"
    assert response.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("sent", ["bytes=0-" + "9" * 5000, "lines=1-2", "bytes=7-5"])
def test_a_range_that_is_none_is_ignored(api: httpx.Client, url: str, sent: str) -> None:
    response = api.get(url, headers={"Range": sent})
    assert (response.status_code, response.content) == (200, ARCHIVE)


@pytest.mark.parametrize("sent", ["bytes=2048000-", "bytes=9999999-99999999", "bytes=-0"])
def test_a_range_outside(api: httpx.Client, url: str, sent: str) -> None:
    response = api.get(url, headers={"Range": sent})
    problem(response, 416, "range_not_satisfiable")
    assert response.headers["content-range"] == f"bytes */{len(ARCHIVE)}"


@pytest.mark.parametrize("sent", ["bytes=0-1,5-6", "bytes=9-3", "bytes=-", "lines=1-2", "bytes=a-b"])
def test_a_range_that_may_be_ignored(api: httpx.Client, url: str, sent: str) -> None:
    response = api.get(url, headers={"Range": sent})
    assert (response.status_code, len(response.content)) == (200, len(ARCHIVE))


def test_if_range(api: httpx.Client, url: str) -> None:
    same = api.get(url, headers={"Range": "bytes=0-1", "If-Range": ETAG})
    assert (same.status_code, same.content) == (206, ARCHIVE[:2])
    for other in ('"other"', f"W/{ETAG}", "Mon, 23 Nov 2026 10:00:00 GMT"):
        changed = api.get(url, headers={"Range": "bytes=0-1", "If-Range": other})
        assert (changed.status_code, len(changed.content)) == (200, len(ARCHIVE))


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.RUNNING, RunState.CANCELLING])
def test_a_job_that_has_not_finished(
    api: httpx.Client, database: Database, queued_job: str, state: RunState
) -> None:
    with database.transaction() as session:
        session.get_one(Job, queued_job).state = state
    assert state in problem(api.get(f"/jobs/{queued_job}/summary"), 409, "job_not_finished")["detail"]


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.CANCELLED])
def test_a_job_that_ended_without_one(
    api: httpx.Client, database: Database, queued_job: str, state: RunState
) -> None:
    with database.transaction() as session:
        session.get_one(Job, queued_job).state = state
    problem(api.get(f"/jobs/{queued_job}/summary"), 409, "job_without_summary")


def test_an_archive_that_storage_lost(api: httpx.Client, url: str, settings: Settings) -> None:
    open_storage(settings.storage_url).delete("k/archive")
    problem(api.get(url), 503, "storage_unavailable")


def test_what_a_bucket_says_of_a_refusal_stays_in_the_log(
    database: Database,
    settings: Settings,
    queued_job: str,
    bucket_url: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = settings.model_copy(update={"storage_url": bucket_url})
    add_summary(database, settings, queued_job, tmp_path)
    request.getfixturevalue("refusing_bucket_url")
    with running_api(settings) as api:
        answer = problem(api.get(f"/jobs/{queued_job}/summary"), 503, "storage_unavailable")
    assert answer["detail"] == "k/archive could not be read: PermissionDeniedError"
    (failed,) = (record for record in caplog.records if record.getMessage() == "request.failed")
    assert "SignatureDoesNotMatch" in logging.Formatter().format(failed)
