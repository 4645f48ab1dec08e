"""Uploads that meet a disk without space: a real file system, as small as the test needs it."""

import itertools
from contextlib import suppress
from pathlib import Path

import pytest

from api.db import Database
from api.settings import Settings
from tests.support.databases import migrate
from tests.support.interaction_logs import csv_log
from tests.support.live_api import running_api
from tests.support.problems import problem
from tests.support.small_disk import small_disk
from tests.support.submissions import nothing_left, submit

LARGE = csv_log(users=3000, length=40)
"""1.3 MB."""

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


def test_in_mid_upload(settings: Settings, database: Database, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", bytes_=2**20) as disk:
        settings = settings.model_copy(
            update={"data_dir": disk, "storage_url": (tmp_path / "storage").as_uri()}
        )
        with running_api(settings) as api:
            body = problem(submit(api, LARGE), 507, "storage_full")
            assert body["detail"] == "the log could not be received: No space left on device"
            assert nothing_left(settings, database)
            assert submit(api).status_code == 202


def test_while_the_log_is_stored(settings: Settings, database: Database, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", bytes_=2**20) as disk:
        settings = settings.model_copy(update={"storage_url": disk.as_uri()})
        with running_api(settings) as api:
            assert "could not be stored" in problem(submit(api, LARGE), 507, "storage_full")["detail"]
            assert nothing_left(settings, database)
            assert [path for path in disk.rglob("*") if path.is_file()] == []
            assert submit(api).status_code == 202


def fill(disk: Path) -> None:
    """Take what space there is, by files of a page."""
    with suppress(OSError):
        for number in itertools.count():
            (disk / f"other-{number}").write_bytes(bytes(4096))


def test_when_not_even_a_folder_can_be_made(settings: Settings, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", bytes_=2**14) as disk:
        settings = settings.model_copy(
            update={"data_dir": disk, "storage_url": (tmp_path / "storage").as_uri()}
        )
        with running_api(settings) as api:
            fill(disk)
            problem(submit(api), 507, "storage_full")
            for path in disk.glob("other-*"):
                path.unlink()
            assert submit(api).status_code == 202


def test_a_database_that_is_full(settings: Settings, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", bytes_=2**20) as disk:
        settings = settings.model_copy(update={"database_url": f"sqlite:///{disk / 'td3.sqlite3'}"})
        migrate(settings.database_url)
        with running_api(settings) as api:
            assert api.get("/jobs").status_code == 200
            fill(disk)
            body = problem(submit(api), 507, "storage_full")
            assert body["detail"] == "The database is full."
            assert api.get("/jobs").json()["items"] == []
            for path in disk.glob("other-*"):
                path.unlink()
            assert submit(api).status_code == 202
