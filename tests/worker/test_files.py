import logging
import threading
from pathlib import Path

import pytest
from sqlalchemy import select

from api.db import Database
from api.errors import StorageError
from api.models import Event, Job, RunState
from api.runs.events import EventKind
from api.settings import Settings
from tests.support.attempts import succeed
from tests.support.events import kinds
from worker.execute import Attempt, Finish, execute

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def retry_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.execute.STORAGE_RETRY_SECONDS", 0.05)


@pytest.fixture
def away(settings: Settings) -> Path:
    """A file that stands where storage has its folder; without it storage is back."""
    path = Path(settings.storage_url.removeprefix("file://")) / "files"
    path.parent.mkdir(parents=True)
    path.write_text("not a folder")
    return path


def test_a_storage_that_is_away_is_waited_for(
    database: Database, queued_job: str, settings: Settings, away: Path
) -> None:
    timer = threading.Timer(0.3, away.unlink)

    def work(attempt: Attempt) -> Finish:
        timer.start()
        key, sha256 = attempt.files.keep(
            "files", attempt.folder / "x", write=lambda path: path.write_text("x")
        )
        attempt.files.fetch(key, attempt.folder / "again", sha256=sha256)
        assert (attempt.folder / "again").read_text() == "x"
        return succeed(attempt)

    assert execute(Job, queued_job, {Job: work}, settings=settings, worker="w") is RunState.SUCCEEDED
    timer.join()
    assert "warning" in kinds(database, queued_job)


def test_what_is_not_there_is_not_waited_for(database: Database, queued_job: str, settings: Settings) -> None:
    def work(attempt: Attempt) -> Finish:
        with pytest.raises(StorageError, match="files/none does not exist"):
            attempt.files.fetch("files/none", attempt.folder / "x", sha256="")
        return succeed(attempt)

    assert execute(Job, queued_job, {Job: work}, settings=settings, worker="w") is RunState.SUCCEEDED


def test_what_is_damaged_is_not_waited_for(database: Database, queued_job: str, settings: Settings) -> None:
    def work(attempt: Attempt) -> Finish:
        key, sha256 = attempt.files.keep(
            "files", attempt.folder / "x", write=lambda path: path.write_text("x")
        )
        (Path(settings.storage_url.removeprefix("file://")) / key).write_text("y")
        attempt.files.fetch(key, attempt.folder / "again", sha256=sha256)
        raise AssertionError("it was taken for what it is not")

    assert execute(Job, queued_job, {Job: work}, settings=settings, worker="w") is RunState.FAILED
    with database.reading() as session:
        error = session.get_one(Job, queued_job).error
    assert error is not None
    assert error["code"] == "storage_damaged"


def test_patience_ends(database: Database, queued_job: str, settings: Settings, away: Path) -> None:
    def work(attempt: Attempt) -> Finish:
        attempt.files.keep("files", attempt.folder / "x", write=lambda path: path.write_text("x"))
        raise AssertionError("it was stored")

    short = settings.model_copy(update={"storage_patience_seconds": 0.2})
    assert execute(Job, queued_job, {Job: work}, settings=short, worker="w") is RunState.FAILED
    with database.reading() as session:
        error = session.get_one(Job, queued_job).error
    assert error is not None
    assert error["code"] == "storage_unavailable"


def test_what_a_bucket_says_of_a_refusal_stays_in_the_log(
    database: Database,
    queued_job: str,
    settings: Settings,
    refusing_bucket_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither the job's error nor its warnings have it."""

    def work(attempt: Attempt) -> Finish:
        attempt.files.fetch("files/x", attempt.folder / "x")
        raise AssertionError("it was let in")

    refused = {"storage_url": refusing_bucket_url, "storage_patience_seconds": 0.1}
    assert (
        execute(Job, queued_job, {Job: work}, settings=settings.model_copy(update=refused), worker="w")
        is RunState.FAILED
    )
    detail = "files/x could not be looked up: PermissionDeniedError"
    with database.reading() as session:
        error = session.get_one(Job, queued_job).error
        warnings = session.scalars(select(Event.data).where(Event.kind == EventKind.WARNING)).all()
    assert error == {"code": "storage_unavailable", "detail": detail}
    assert {"code": "storage.waiting", "detail": detail} in warnings
    for name in ("storage.waiting", "run.failed"):
        record = next(record for record in caplog.records if record.getMessage() == name)
        assert "403 Forbidden" in logging.Formatter().format(record)
