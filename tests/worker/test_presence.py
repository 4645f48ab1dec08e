import os
import signal

import pytest
import torch

from api.db import Database
from api.models import Worker
from api.settings import Settings
from api.workers import service
from api.workers.service import Identity
from tests.support.waiting import wait_until
from worker.main_database import MainDatabase
from worker.presence import Presence

FORKS = 20
PATIENCE = 20  # seconds, less than a writer waits for SQLite's lock


def present(worker_id: str, settings: Settings) -> Presence:
    """The presence of a worker, not yet started."""
    return Presence(worker_id, settings, MainDatabase(settings))


def write(settings: Settings) -> None:
    """What the child of a pool does first: it writes to the database."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(PATIENCE)  # ends the process
    child = Identity(id="child", host="here", pid=os.getpid(), queues=[], device="cpu", version="0")
    with Database(settings.database_url).transaction() as session:
        service.beat(session, child, stopping=False)


def test_a_child_that_is_forked_in_the_middle_of_a_heartbeat_can_write(settings: Settings) -> None:
    presence = present("parent", settings.model_copy(update={"heartbeat_seconds": 0.001}))
    presence.start([])
    try:
        for _ in range(FORKS):
            child = os.fork()
            if not child:
                status = 1
                try:
                    write(settings)
                    status = 0
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        presence.stop()


def heartbeats(database: Database, settings: Settings, count: int) -> Worker:
    """The row of a worker after some heartbeats."""
    presence = present("w", settings.model_copy(update={"heartbeat_seconds": 0.02}))
    presence.start(["cpu"])
    times = set()

    def seen() -> bool:
        with database.reading() as session:
            row = session.get(Worker, "w")
            times.add(row and row.seen_at)
        return len(times) > count

    wait_until(seen, seconds=60)
    presence.stop()
    with database.reading() as session:
        return session.get_one(Worker, "w")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_a_worker_without_a_gpu_has_none(
    database: Database, settings: Settings, caplog: pytest.LogCaptureFixture, device: str
) -> None:
    row = heartbeats(database, settings.model_copy(update={"device": device}), 2)
    assert row.gpu is None
    assert caplog.messages == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_driver_that_cannot_be_asked_is_logged_once_and_ends_no_heartbeat(
    database: Database, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    row = heartbeats(database, settings.model_copy(update={"device": "cuda:1"}), 4)
    assert row.gpu is None
    (record,) = caplog.records
    assert record.getMessage() == "gpu.unreadable"
    assert "NVML" in record.__dict__["error"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")
def test_heartbeats_say_which_gpu_there_is(database: Database, settings: Settings) -> None:
    row = heartbeats(database, settings.model_copy(update={"device": "auto"}), 2)
    assert row.gpu
    assert row.gpu["name"] == torch.cuda.get_device_name(0)
    assert 0 < row.gpu["memory_used_bytes"] < row.gpu["memory_total_bytes"]
