import os
import threading
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, update

from api.db import Database, now
from api.models import Dataset, Job, RunState
from api.settings import Settings
from api.storage import Storage, open_storage
from tests.support.keepers import keepers
from tests.support.submissions import submit
from tests.support.waiting import wait_until
from worker.cleaning import clean, remove_orphans


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return open_storage(settings.storage_url)


def put(storage: Storage, key: str, folder: Path) -> None:
    (folder / "file").write_bytes(b"abc")
    storage.put_file(key, folder / "file")


def keys(storage: Storage) -> list[str]:
    return sorted(entry.key for entry in storage.list())


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_what_no_row_points_at_goes_when_it_is_old(
    database: Database, storage_url: str, queued_job: str, tmp_path: Path
) -> None:
    """An upload whose transaction failed, among what is needed; in a folder and in a bucket."""
    storage = open_storage(storage_url)
    for key in ("default/logs/orphan", "logs/0"):
        put(storage, key, tmp_path)
    with database.reading() as session:
        at = now(session)
    assert remove_orphans(database, storage, before=at - timedelta(days=1)) == 0
    assert remove_orphans(database, storage, before=at + timedelta(days=1)) == 1
    assert remove_orphans(database, storage, before=at + timedelta(days=1)) == 0
    assert keys(storage) == ["logs/0"]


def test_keepers_remove_what_has_expired_and_nothing_else(
    api: httpx.Client, database: Database, settings: Settings, storage: Storage, tmp_path: Path
) -> None:
    """Two keepers at once, while the log of a job that is queued looks as old as that of one that has ended."""
    for log in (None, "user_id,item_id\n" + "".join(f"u{n % 9},i{n % 7}\n" for n in range(99))):
        assert submit(api, *([log] if log else [])).status_code == 202
    put(storage, "default/summaries/orphan", tmp_path)
    unfinished = settings.data_dir / "storage" / ".unfinished" / "left"
    unfinished.write_bytes(b"half")
    for path in (settings.data_dir / "storage").rglob("*"):
        os.utime(path, (0, 0))
    with database.transaction() as session:
        at = now(session)
        session.execute(update(Dataset).values(created_at=at - timedelta(days=9)))
        ended, waits = session.scalars(select(Job).order_by(Job.id))
        ended.state, ended.finished_at = RunState.FAILED, at - timedelta(days=8)
        kept = waits.dataset.storage_key
    settings = settings.model_copy(update={"keep_logs_days": 7.0, "clean_seconds": 0.05})
    with keepers(settings, 2):
        wait_until(lambda: keys(storage) == [kept] and not unfinished.exists())
        threading.Event().wait(0.3)
    assert keys(storage) == [kept]


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_by_default_nothing_expires(database: Database, settings: Settings, storage: Storage) -> None:
    with database.transaction() as session:
        session.execute(update(Dataset).values(created_at=now(session) - timedelta(days=9999)))
    clean(database, storage, settings)
    with database.reading() as session:
        assert session.scalars(select(Dataset).where(Dataset.expired_at.is_not(None))).all() == []


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_orphans_go_even_where_unfinished_puts_are_refused(
    database: Database,
    settings: Settings,
    storage: Storage,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    put(storage, "orphan", tmp_path)
    os.utime(settings.data_dir / "storage" / "orphan", (0, 0))
    unfinished = settings.data_dir / "storage" / ".unfinished"
    unfinished.rmdir()
    unfinished.write_text("not a folder")
    clean(database, storage, settings)
    assert keys(storage) == []
    assert caplog.messages == ["cleaning.unfinished_puts_not_removed"]
