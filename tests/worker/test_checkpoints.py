import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from api.db import Database, now
from api.models import DEFAULT_TENANT, Checkpoint, Event, Job, RunState
from api.runs.pause import request_pause, request_resume
from api.runs.sweep import sweep_expired
from api.settings import Settings
from api.storage import open_storage
from api.storage.folder import FolderStorage
from tests.support.claims import expire_lease
from tests.support.counting import STEPS, Between, counting
from tests.support.events import kinds
from tests.support.jobs import job, outbox_ids
from tests.support.small_disk import small_disk
from worker.checkpoints import remove_ended
from worker.execute import execute

ALL = list(range(1, STEPS + 1))


class VanishedError(BaseException):
    """As if the process were killed: nothing is written any more."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A checkpoint at every step."""
    return settings.model_copy(update={"checkpoint_seconds": 1e-9, "storage_patience_seconds": 0})


@pytest.fixture(autouse=True)
def no_limit_on_overhead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.checkpoints.MOST_OVERHEAD", 1e9)


@pytest.fixture
def objects(settings: Settings) -> Callable[[], list[Path]]:
    """The files in storage, oldest first."""
    folder = Path(settings.storage_url.removeprefix("file://"))
    return lambda: sorted(
        (path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_mtime_ns
    )


def run(
    settings: Settings,
    run_id: str,
    between: Between = lambda step: None,
    *,
    stopping: Callable[[], bool] = lambda: False,
    ballast: int = 0,
) -> RunState | None:
    work = counting(between, ballast=ballast)
    return execute(Job, run_id, {Job: work}, settings=settings, worker="w1", stopping=stopping)


def vanish(settings: Settings, database: Database, run_id: str, *, at: int, ballast: int = 0) -> None:
    """Run up to a step, and let the worker die there."""

    def between(step: int) -> None:
        if step == at:
            raise VanishedError

    with pytest.raises(VanishedError):
        run(settings, run_id, between, ballast=ballast)
    expire_lease(database, run_id)


def steps_of(settings: Settings, run_id: str) -> list[int]:
    """Run to the end, and say which steps that took."""
    steps: list[int] = []
    assert run(settings, run_id, steps.append) is RunState.SUCCEEDED
    return steps


def rows(database: Database) -> list[tuple[int, int]]:
    with database.reading() as session:
        found = session.scalars(select(Checkpoint).order_by(Checkpoint.number)).all()
    return [(row.number, row.attempt) for row in found if row.bytes]


def test_a_vanished_workers_run_goes_on_from_its_latest_checkpoint(
    database: Database, queued_job: str, settings: Settings, objects: Callable[[], list[Path]]
) -> None:
    vanish(settings, database, queued_job, at=6)
    assert rows(database) == [(4, 1), (5, 1)]
    assert len(objects()) == 2
    seen: list[float] = []
    steps: list[int] = []

    def between(step: int) -> None:
        steps.append(step)
        seen.append(job(database, queued_job).progress)

    assert run(settings, queued_job, between) is RunState.SUCCEEDED
    assert steps == [6, 7, 8, 9, 10]
    assert seen[0] == 0.5, "it never shows less than what it goes on from"
    assert job(database, queued_job).metrics == {"counted": ALL}
    assert "restored" in kinds(database, queued_job)
    remove_ended(database, open_storage(settings.storage_url), Job)
    assert (rows(database), objects()) == ([], [])


def test_workers_that_vanish_cost_no_attempts_while_the_run_gets_further(
    database: Database, queued_job: str, settings: Settings
) -> None:
    """A cap of two would else end it with the second."""
    capped = settings.model_copy(update={"max_attempts": 2})
    for at in (3, 5, 7, 9):
        vanish(capped, database, queued_job, at=at)
    assert steps_of(capped, queued_job) == [9, 10]
    assert kinds(database, queued_job).count("lease_expired") == 4


def test_a_run_that_kills_its_workers_at_the_same_step_is_given_up(
    database: Database, queued_job: str, settings: Settings
) -> None:
    capped = settings.model_copy(update={"max_attempts": 2})
    for _ in range(2):
        vanish(capped, database, queued_job, at=3)
    assert run(capped, queued_job) is None, "nothing to take"
    with database.transaction() as session:
        assert sweep_expired(session, Job, max_attempts=2).failed == [queued_job]
    assert job(database, queued_job).crashes == 2


def test_only_a_checkpoint_further_than_any_before_forgives_workers_that_vanished(
    database: Database, queued_job: str, settings: Settings, objects: Callable[[], list[Path]]
) -> None:
    """The second attempt makes the checkpoint of step 3 anew, because that of the first one is damaged."""
    capped = settings.model_copy(update={"max_attempts": 2})
    vanish(capped, database, queued_job, at=4)
    objects()[-1].write_bytes(b"damaged")
    vanish(capped, database, queued_job, at=4)
    assert rows(database)[-1][1] == 2, "the second attempt kept one"
    assert run(capped, queued_job) is None, "nothing to take"


def test_a_stopping_worker_leaves_a_checkpoint_of_its_last_step(
    database: Database, queued_job: str, settings: Settings
) -> None:
    rare = settings.model_copy(update={"checkpoint_seconds": 3600})
    told = threading.Event()
    state = run(rare, queued_job, lambda step: told.set() if step == 4 else None, stopping=told.is_set)
    assert state is RunState.QUEUED
    row = job(database, queued_job)
    assert (row.progress, row.crashes) == (0.4, 0)
    assert kinds(database, queued_job)[-2:] == ["checkpoint", "handed_back"]
    assert steps_of(settings, queued_job) == [5, 6, 7, 8, 9, 10]


def test_a_paused_run_lets_go_and_goes_on_when_it_is_resumed(
    database: Database, queued_job: str, settings: Settings
) -> None:
    def between(step: int) -> None:
        if step == 7:
            with database.transaction() as session:
                request_pause(session, Job, queued_job, tenant_id=DEFAULT_TENANT)

    assert run(settings, queued_job, between) is RunState.PAUSED
    assert run(settings, queued_job) is None, "a paused run is not to be claimed"
    assert (job(database, queued_job).progress, outbox_ids(database)) == (0.7, [])
    with database.transaction() as session:
        assert request_resume(session, Job, queued_job, tenant_id=DEFAULT_TENANT) is RunState.QUEUED
    assert outbox_ids(database) == [queued_job]
    assert steps_of(settings, queued_job) == [8, 9, 10]
    happened = [kind for kind in kinds(database, queued_job) if "paus" in kind or "resum" in kind]
    assert happened == ["pausing", "paused", "resumed"]


def test_who_resumes_before_the_pause_took_place_loses_no_run(
    database: Database, queued_job: str, settings: Settings
) -> None:
    """The worker has seen the pause, and gives the run back to the queue."""

    def between(step: int) -> None:
        if step == 3:
            with database.transaction() as session:
                request_pause(session, Job, queued_job, tenant_id=DEFAULT_TENANT)

    put_file = FolderStorage.put_file

    def resumed_meanwhile(self: FolderStorage, key: str, path: Path, **options: Any) -> None:
        put_file(self, key, path, **options)
        with database.transaction() as session:
            assert request_resume(session, Job, queued_job, tenant_id=DEFAULT_TENANT) is RunState.RUNNING

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(FolderStorage, "put_file", resumed_meanwhile)
        rare = settings.model_copy(update={"checkpoint_seconds": 3600})
        assert run(rare, queued_job, between) is RunState.QUEUED
    assert outbox_ids(database) == [queued_job]
    assert steps_of(settings, queued_job) == [4, 5, 6, 7, 8, 9, 10]


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    database: Database, queued_job: str, settings: Settings, objects: Callable[[], list[Path]]
) -> None:
    vanish(settings, database, queued_job, at=6)
    newest = objects()[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    assert steps_of(settings, queued_job) == [5, 6, 7, 8, 9, 10]
    assert "warning" in kinds(database, queued_job)


def test_without_a_sound_checkpoint_a_run_begins_again(
    database: Database, queued_job: str, settings: Settings, objects: Callable[[], list[Path]]
) -> None:
    vanish(settings, database, queued_job, at=6)
    damaged, lost = objects()
    damaged.write_bytes(b"")
    lost.unlink()
    assert steps_of(settings, queued_job) == ALL
    assert job(database, queued_job).metrics == {"counted": ALL}


def test_what_a_worker_uploads_after_it_was_given_up_is_not_taken_up(
    database: Database, queued_job: str, settings: Settings, objects: Callable[[], list[Path]]
) -> None:
    """Another attempt begins and dies while the third upload of the first one takes place."""
    put_file = FolderStorage.put_file
    puts = 0

    def superseded_meanwhile(self: FolderStorage, key: str, path: Path, **options: Any) -> None:
        nonlocal puts
        puts += 1
        put_file(self, key, path, **options)
        if puts == 3:
            expire_lease(database, queued_job)
            vanish(settings, database, queued_job, at=4)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(FolderStorage, "put_file", superseded_meanwhile)
        assert run(settings, queued_job) is None
    assert [attempt for _, attempt in rows(database)] == [1, 2]
    assert not [path for path in objects() if path.name.endswith("-1-3")]
    assert steps_of(settings, queued_job) == [4, 5, 6, 7, 8, 9, 10]


@pytest.fixture
def full_disk(settings: Settings) -> Iterator[Path]:
    """A file system of 64 KiB under the folder in which runs keep their files."""
    settings.data_dir.mkdir()
    with small_disk(settings.work_dir, bytes_=64 << 10) as disk:
        yield disk


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_costs_checkpoints_and_not_the_run(
    database: Database, queued_job: str, settings: Settings, objects: Callable[[], list[Path]]
) -> None:
    """The one from before, when there was space, stays as it was."""
    vanish(settings, database, queued_job, at=4)
    kept = [path.read_bytes() for path in objects()]
    seen: list[list[bytes]] = []
    steps: list[int] = []

    def between(step: int) -> None:
        steps.append(step)
        seen.append([path.read_bytes() for path in objects()])

    assert run(settings, queued_job, between, ballast=200_000) is RunState.SUCCEEDED
    assert steps == [4, 5, 6, 7, 8, 9, 10]
    assert all(files == kept for files in seen)
    with database.reading() as session:
        warnings = session.scalars(select(Event.data).where(Event.kind == "warning")).all()
    assert "No space left" in warnings[0]["detail"]


def test_a_storage_that_fails_costs_checkpoints_and_not_the_run(
    database: Database, queued_job: str, settings: Settings
) -> None:
    """It is back for the last ones."""
    folder = Path(settings.storage_url.removeprefix("file://")) / DEFAULT_TENANT
    folder.parent.mkdir(parents=True)
    folder.write_text("not a folder")

    def between(step: int) -> None:
        if step == 8:
            folder.unlink()

    assert run(settings, queued_job, between) is RunState.SUCCEEDED
    assert rows(database) == [(9, 1), (10, 1)]
    assert (
        kinds(database, queued_job).count("warning") == 7 + 1
    )  # and that of the teacher, which has learned nothing in two epochs


def test_a_run_that_misses_its_deadline_fails(
    database: Database, queued_job: str, settings: Settings
) -> None:
    with database.transaction() as session:
        session.execute(update(Job).values(deadline_at=now(session) + timedelta(seconds=0.5)))
    reached: list[int] = []

    def between(step: int) -> None:
        reached.append(step)
        if step == 3:
            threading.Event().wait(1)

    assert run(settings, queued_job, between) is RunState.FAILED
    row = job(database, queued_job)
    assert row.error == {
        "code": "deadline_exceeded",
        "detail": "The run missed its deadline; it was still running.",
    }
    assert max(reached) <= 3
