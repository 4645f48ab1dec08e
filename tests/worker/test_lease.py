"""What keeps a claim, and what a run that holds it may still do."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from api.db import Database
from api.errors import LeaseLostError
from api.models import DEFAULT_TENANT, Job, RunState
from api.runs import claims
from api.runs.pause import request_pause
from tests.support.claims import cancel, claim, claimed, expire_lease, sweep
from tests.support.events import kinds, log_of
from tests.support.jobs import job
from tests.support.outages import closed_to_all
from tests.support.waiting import wait_until
from worker import lease as module
from worker.lease import (
    Lease,
    RunCancelledError,
    RunPausedError,
    TimeIsUpError,
    Watch,
    WorkerStoppingError,
)
from worker.limits import TimeLimit

LONG = timedelta(seconds=60)
BEAT = timedelta(seconds=0.02)
NEVER = timedelta(seconds=1000)
PAST = TimeLimit(-1.0, {"code": "time_limit_exceeded", "detail": "The run takes longer than it may."})

on_postgres = pytest.mark.parametrize("migrated_url", ["postgres"], indirect=True)


@contextmanager
def kept(
    database: Database, run_id: str, *, lease: timedelta = LONG, heartbeat: timedelta = NEVER
) -> Iterator[Lease]:
    """A claim of the job, which beats until the block ends."""
    with Lease(database, claimed(database, run_id), lease=lease, heartbeat=heartbeat) as held:
        yield held


def watch(database: Database, lease: Lease, **options: Any) -> Watch:
    return Watch(
        database, lease, **({"stopping": lambda: False, "every": 0.0, "on_step": lambda *_: None} | options)
    )


def report(watch: Watch, step: int = 1, **values: Any) -> None:
    known: dict[str, Any] = {"stage": "distilling", "losses": {"outer": 1.0}, "scores": {}}
    watch.report(progress=step / 10, step=step, steps=10, eta_seconds=None, **(known | values))


def take_over(database: Database, run_id: str) -> None:
    """Let another worker run the job, as it would after a lease that ran out; a heartbeat may renew it in between."""

    def is_taken() -> bool:
        expire_lease(database, run_id)
        sweep(database)
        return claim(database, run_id, worker="w2") is not None

    wait_until(is_taken)


def beats(lease: Lease) -> bool:
    """Whether its heartbeat goes on."""
    return any(thread.name == f"heartbeat-{lease.held.run_id}" for thread in threading.enumerate())


def succeed(session: Session, held: claims.Claim) -> RunState:
    return claims.succeed(session, held, metrics={})


def test_heartbeats_move_the_end_of_the_lease(database: Database, queued_job: str) -> None:
    with kept(database, queued_job, heartbeat=BEAT):
        first = job(database, queued_job).lease_expires_at
        assert first is not None
        wait_until(lambda: (job(database, queued_job).lease_expires_at or first) > first)


def test_no_heartbeat_comes_after_the_end(database: Database, queued_job: str) -> None:
    with kept(database, queued_job, heartbeat=BEAT) as lease:
        pass
    assert not beats(lease)


def test_a_run_that_another_worker_took_over_is_lost_at_the_next_heartbeat(
    database: Database, queued_job: str
) -> None:
    with kept(database, queued_job, heartbeat=BEAT) as lease:
        lease.check()
        take_over(database, queued_job)
        wait_until(lambda: raises(lease.check, LeaseLostError))
        with pytest.raises(LeaseLostError, match=f"attempt 1 of {queued_job}"):
            lease.write(succeed)
    row = job(database, queued_job)
    assert (row.state, row.attempt, row.worker) == (RunState.RUNNING, 2, "w2")


def raises(action: Callable[[], object], error: type[Exception]) -> bool:
    try:
        action()
    except error:
        return True
    return False


def test_a_lease_that_no_heartbeat_renewed_is_lost_by_the_clock_alone(
    database: Database, queued_job: str
) -> None:
    """Though nobody has taken the run over, and the row says nothing."""
    with kept(database, queued_job, lease=timedelta(seconds=0.1)) as lease:
        wait_until(lambda: raises(lease.check, LeaseLostError))
        with pytest.raises(LeaseLostError):
            lease.write(succeed)
    assert job(database, queued_job).state is RunState.RUNNING


@on_postgres
def test_a_write_waits_for_a_database_that_is_away(
    database: Database, queued_job: str, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)
    tries: list[int] = []

    def write(session: Session, held: claims.Claim) -> RunState:
        tries.append(1)
        return succeed(session, held)

    with kept(database, queued_job, heartbeat=BEAT) as lease:
        with closed_to_all(migrated_url):
            writing = threading.Thread(target=lease.write, args=[write])
            writing.start()
            writing.join(0.3)
            assert writing.is_alive()
        writing.join(20)
        assert not writing.is_alive()
    assert tries
    assert job(database, queued_job).state is RunState.SUCCEEDED


@on_postgres
def test_a_write_ends_with_the_lease_when_the_database_stays_away(
    database: Database, queued_job: str, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)
    with kept(database, queued_job, lease=timedelta(seconds=1), heartbeat=BEAT) as lease:
        with closed_to_all(migrated_url), pytest.raises(LeaseLostError):
            lease.write(succeed)
        wait_until(lambda: not beats(lease))  # or it would come back to life with the database
        with pytest.raises(LeaseLostError):
            lease.check()
    assert job(database, queued_job).state is RunState.RUNNING


def test_other_errors_of_a_write_are_not_tried_again(database: Database, queued_job: str) -> None:
    tries: list[int] = []

    def write(session: Session, held: claims.Claim) -> None:
        tries.append(1)
        claims.succeed(session, held, metrics={})
        raise ValueError("wrong")

    with kept(database, queued_job) as lease, pytest.raises(ValueError, match="wrong"):
        lease.write(write)
    assert tries == [1]
    assert job(database, queued_job).state is RunState.RUNNING, "it was rolled back"


@pytest.mark.parametrize("due", [True, False])
def test_a_report_tells_the_run_what_clients_asked_for(
    database: Database, queued_job: str, due: bool
) -> None:
    """Whether it writes progress or only reads the state."""
    with kept(database, queued_job) as lease:
        watched = watch(database, lease, every=0.0 if due else 1000.0)
        report(watched, 1)
        with database.transaction() as session:
            request_pause(session, Job, queued_job, tenant_id=DEFAULT_TENANT)
        with pytest.raises(RunPausedError):
            report(watched, 2)
        cancel(database, queued_job)
        with pytest.raises(RunCancelledError):
            report(watched, 3)
        with pytest.raises(RunCancelledError):
            watched.check()
        with pytest.raises(RunCancelledError):
            watched.wait(5)
    assert job(database, queued_job).step == (3 if due else 1)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"stopping": lambda: True}, WorkerStoppingError),
        ({"limit": PAST}, TimeIsUpError),
        ({"limit": PAST, "stopping": lambda: True}, TimeIsUpError),
    ],
)
def test_the_worker_has_reasons_of_its_own_to_stop(
    database: Database, queued_job: str, options: dict[str, Any], error: type[Exception]
) -> None:
    with kept(database, queued_job) as lease:
        watched = watch(database, lease, **options)
        for stopped in (lambda: report(watched), watched.check, lambda: watched.wait(5)):
            with pytest.raises(error):
                stopped()
    assert job(database, queued_job).stage is None


def test_progress_is_written_at_intervals_and_at_each_new_stage(database: Database, queued_job: str) -> None:
    steps: list[tuple[str, int]] = []
    with kept(database, queued_job) as lease:
        watched = watch(
            database, lease, every=1000.0, on_step=lambda stage, step: steps.append((stage, step))
        )
        report(watched, 1, stage="teacher")
        report(watched, 2, stage="teacher")
        assert job(database, queued_job).step == 1
        report(watched, 3)
        row = job(database, queued_job)
        assert (row.stage, row.step, row.progress) == ("distilling", 3, 0.3)
    assert steps == [("teacher", 1), ("teacher", 2), ("distilling", 3)]
    assert kinds(database, queued_job) == ["claimed", "stage", "stage"]


def test_every_validation_is_an_event_and_losses_are_one_now_and_then(
    database: Database, queued_job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kept(database, queued_job) as lease:
        watched = watch(database, lease)
        report(watched, 1)
        report(watched, 2)  # too soon after the stage
        report(watched, 3, scores={"ndcg@10": 0.1})
        report(watched, 4, scores={"ndcg@10": 0.1})  # the same score again
        report(watched, 5, scores={"ndcg@10": 0.2})
        monkeypatch.setattr(module, "SAMPLE_SECONDS", 0.0)
        report(watched, 6, scores={"ndcg@10": 0.2})
    found = [(event.kind, event.data["step"]) for event in log_of(database, queued_job)[1:]]
    assert found == [("stage", 1), ("metrics", 3), ("metrics", 5), ("metrics", 6)]


@on_postgres
def test_an_outage_costs_reports_and_warnings_and_not_the_run(
    database: Database, queued_job: str, migrated_url: str
) -> None:
    with kept(database, queued_job) as lease:
        watched = watch(database, lease)
        with closed_to_all(migrated_url):
            with pytest.raises(OperationalError), database.reading() as session:
                session.get_one(Job, queued_job)
            report(watched, 1)
            watched.check()
            watched.warn("slow", "It is slow.")
        report(watched, 2)
        watched.warn("slow", "It is slow.")
    assert job(database, queued_job).step == 2
    assert kinds(database, queued_job) == ["claimed", "stage", "warning"]


def test_nothing_is_written_of_a_run_that_was_taken_over(database: Database, queued_job: str) -> None:
    with kept(database, queued_job) as lease:
        watched = watch(database, lease)
        take_over(database, queued_job)
        before = kinds(database, queued_job)
        for write in (lambda: report(watched), watched.check, lambda: watched.warn("slow", "It is slow.")):
            with pytest.raises(LeaseLostError):
                write()
    assert kinds(database, queued_job) == before
    assert job(database, queued_job).stage is None
