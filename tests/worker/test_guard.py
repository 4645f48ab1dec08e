"""Children of real workers that are killed, do not hear, or take too much: their runs end or go on within seconds."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from api.db import Database
from api.models import Job
from api.settings import Settings
from embedded.process import ChildProcess
from tests.support.claims import claimed
from tests.support.events import kinds, log_of
from tests.support.jobs import add_job, job
from tests.support.specs import SHORT_SPEC, WORKER_SPEC
from tests.support.submissions import submit
from tests.support.waiting import wait_until
from tests.support.workers import Workers
from worker.announcements import Announcements, Underway
from worker.guard import Guard
from worker.limits import TimeLimit
from worker.main_database import MainDatabase
from worker.memory import machine_memory

ENDLESS = {**WORKER_SPEC, "outer": {"steps": 100_000, "validate_every": 100_000, "validation_learners": 1}}
SOON = 10.0
"""Seconds, on a busy machine, for what takes one or two; a lease is of sixty, and no keeper runs."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
on_sqlite = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


def child_of(worker: ChildProcess) -> psutil.Process:
    (child,) = psutil.Process(worker.pid).children()
    return child


def distilling(database: Database, run_id: str, attempt: int = 1) -> Callable[[], bool]:
    def arrived() -> bool:
        row = job(database, run_id)
        assert not row.state.ended, row.error
        return (row.stage, row.attempt) == ("distilling", attempt) and row.step > 0

    return arrived


def ended(database: Database, run_id: str) -> Callable[[], bool]:
    return lambda: job(database, run_id).state.ended


def begin(
    api: httpx.Client, database: Database, workers: Workers, **environment: str
) -> tuple[str, ChildProcess]:
    """A job that would not end by itself, and the only worker, which distils it."""
    run_id = submit(api, spec=ENDLESS).json()["id"]
    worker = workers.start("only", **environment)
    wait_until(distilling(database, run_id), seconds=120)
    return run_id, worker


def test_the_run_of_a_killed_child_goes_on_at_once(
    api: httpx.Client, database: Database, workers: Workers
) -> None:
    run_id, worker = begin(api, database, workers)
    child_of(worker).kill()
    wait_until(lambda: job(database, run_id).attempt == 2, seconds=SOON)
    wait_until(distilling(database, run_id, 2), seconds=120)
    row = job(database, run_id)
    assert (row.state, row.crashes) == ("running", 1)
    (lost,) = (event for event in log_of(database, run_id) if event.kind == "lease_expired")
    assert lost.data == {
        "worker": row.worker,
        "reason": "The process of the run was ended by signal 9 (SIGKILL).",
        "then": "queued",
    }
    assert api.post(f"/jobs/{run_id}/cancel").json()["state"] == "cancelling"
    wait_until(ended(database, run_id), seconds=SOON)


@on_sqlite
def test_a_run_whose_children_are_killed_again_and_again_is_given_up(
    api: httpx.Client, database: Database, workers: Workers
) -> None:
    run_id, worker = begin(api, database, workers, TD3_MAX_ATTEMPTS="2")
    child_of(worker).kill()
    wait_until(distilling(database, run_id, 2), seconds=120)
    child_of(worker).kill()
    wait_until(ended(database, run_id), seconds=SOON)
    row = job(database, run_id)
    assert row.error is not None
    assert (row.state, row.error["code"], row.crashes) == ("failed", "worker_lost", 2)
    assert row.error["detail"].endswith("The process of the run was ended by signal 9 (SIGKILL).")
    assert [attempt["attempt"] for attempt in row.error["attempts"]] == [1, 2]


@on_sqlite
def test_a_child_that_does_not_hear_of_a_cancel_is_ended_and_the_worker_goes_on(
    api: httpx.Client, database: Database, settings: Settings, workers: Workers
) -> None:
    run_id, worker = begin(api, database, workers)
    child = child_of(worker)
    child.send_signal(signal.SIGSTOP)
    following = submit(api, spec=SHORT_SPEC).json()["id"]
    began = time.monotonic()
    assert api.post(f"/jobs/{run_id}/cancel").json()["state"] == "cancelling"
    wait_until(ended(database, run_id), seconds=SOON)
    assert time.monotonic() - began > 0.4, "it had no time to end by itself"
    assert job(database, run_id).state == "cancelled"
    assert kinds(database, run_id)[-2:] == ["cancelling", "cancelled"]
    psutil.wait_procs([child], timeout=SOON)
    assert not child.is_running()
    wait_until(ended(database, following), seconds=120)
    assert job(database, following).state == "succeeded", worker.log_tail()
    assert list(settings.work_dir.iterdir()) == []


def test_the_run_of_a_child_that_ended_unseen_is_taken_back(
    database: Database, settings: Settings, queued_job: str
) -> None:
    """The guard was waiting for the database, say, and the next child has begun another run."""
    with database.transaction() as session:
        another = add_job(session).id
    announcements, limit = Announcements(), TimeLimit(time.monotonic() + 600, {})
    with ExitStack() as stack:
        for run_id in (queued_job, another):
            child = stack.enter_context(subprocess.Popen(["sleep", "600"]))
            stack.callback(child.kill)
            announcements.announce(Underway(child.pid, claimed(database, run_id), limit))
            if run_id == queued_job:  # the next child begins once this one is reaped
                child.kill()
                child.wait()
        guard = Guard(settings, MainDatabase(settings), announcements)
        guard.start()
        wait_until(lambda: job(database, queued_job).state == "queued", seconds=SOON)
        guard.stop()
    assert job(database, another).state == "running"
    (lost,) = (event for event in log_of(database, queued_job) if event.kind == "lease_expired")
    assert lost.data["reason"] == "The process of the run has ended."


def failed(database: Database, run_id: str) -> tuple[str, str]:
    row: Job = job(database, run_id)
    assert row.state == "failed"
    assert row.error is not None
    return row.error["code"], row.error["detail"]


@on_sqlite
def test_a_run_that_uses_more_memory_than_its_share_fails(
    api: httpx.Client, database: Database, workers: Workers
) -> None:
    machine = machine_memory()
    assert machine is not None
    share = 700 * 2**20 / machine
    huge = {
        **SHORT_SPEC,
        "learner": {"embedding_size": 512, "inner_size": 1024, "max_length": 50},
        "summary": {"users": 1000, "length": 50},
    }
    run_id, following = (submit(api, spec=spec).json()["id"] for spec in (huge, SHORT_SPEC))
    worker = workers.start("only", TD3_RUN_MEMORY_SHARE=str(share))
    wait_until(ended(database, following), seconds=240)
    limit = "The run needs more memory than the limit of 700.0MiB."
    assert failed(database, run_id) == ("out_of_memory", limit), worker.log_tail()
    assert job(database, run_id).attempt == 1
    assert job(database, following).state == "succeeded", worker.log_tail()


@on_sqlite
@pytest.mark.parametrize("deaf", [False, True])
def test_a_run_that_takes_longer_than_it_may_fails(
    api: httpx.Client, database: Database, workers: Workers, deaf: bool
) -> None:
    run_id, worker = begin(api, database, workers, TD3_RUN_SECONDS="25")
    if deaf:
        child_of(worker).send_signal(signal.SIGSTOP)
    wait_until(ended(database, run_id), seconds=60)
    assert failed(database, run_id) == (
        "time_limit_exceeded",
        "The run takes longer than the limit of 0:00:25.",
    )
    assert ("guard.child_killed" in worker.log.read_text()) == deaf


@on_sqlite
def test_the_kernel_ends_runs_before_other_processes(
    api: httpx.Client, database: Database, workers: Workers
) -> None:
    _, worker = begin(api, database, workers)

    def score(pid: int) -> int:
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text())

    assert score(child_of(worker).pid) == 500
    assert score(worker.pid) == score(os.getpid()) < 500
