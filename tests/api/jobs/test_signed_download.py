"""Summaries that a client fetches from the bucket itself, past the API."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.db import Database
from api.settings import Settings
from td3client import Client
from tests.support.live_api import running_api
from tests.support.summaries import ARCHIVE, ETAG, add_summary

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


@pytest.fixture
def settings(settings: Settings, bucket_url: str) -> Settings:
    return settings.model_copy(update={"storage_url": bucket_url, "signed_url_seconds": 60})


@pytest.fixture
def api(settings: Settings) -> Iterator[httpx.Client]:
    with running_api(settings) as client:
        yield client


@pytest.fixture
def url(database: Database, settings: Settings, queued_job: str, tmp_path: Path) -> str:
    add_summary(database, settings, queued_job, tmp_path)
    return f"/jobs/{queued_job}/summary"


def test_the_answer_says_where(api: httpx.Client, url: str) -> None:
    response = api.get(url)
    assert (response.status_code, response.headers["cache-control"]) == (307, "no-store")
    assert httpx.get(response.headers["location"]).content == ARCHIVE


def test_what_needs_no_archive_is_answered_at_once(api: httpx.Client, url: str) -> None:
    assert api.head(url).headers["content-length"] == str(len(ARCHIVE))
    assert api.get(url, headers={"If-None-Match": ETAG}).status_code == 304
    assert api.get(url, headers={"Range": f"bytes={len(ARCHIVE)}-"}).status_code == 416


def test_without_the_setting_it_comes_through_the_api(settings: Settings, url: str) -> None:
    with running_api(settings.model_copy(update={"signed_url_seconds": 0})) as api:
        assert api.get(url).content == ARCHIVE


@pytest.mark.parametrize("have", [0, 1000])
def test_our_client_goes_there_from_where_it_was(
    api: httpx.Client, url: str, queued_job: str, tmp_path: Path, have: int
) -> None:
    target = tmp_path / "summary.zip"
    if have:
        target.with_name("summary.zip.part").write_bytes(ARCHIVE[:have])
    with Client(str(api.base_url)) as client:
        client.download_summary(queued_job, target)
    assert target.read_bytes() == ARCHIVE
