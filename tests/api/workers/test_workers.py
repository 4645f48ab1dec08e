import re
import socket
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import update

from api.access.scopes import ROLES
from api.db import Database, now
from api.models import Job, Worker
from api.settings import Settings
from api.workers import service
from api.workers.gpu import Gpu
from api.workers.service import Identity
from tests.support.access import bearing, new_key
from tests.support.claims import claim
from tests.support.jobs import add_job
from tests.support.keepers import brisk, keepers
from tests.support.live_api import running_api
from tests.support.waiting import wait_until
from worker.presence import new_worker_id

WORKER = Identity("gpu-3/4711/9f3c", "gpu-3", 4711, ("distil",), "auto", "0.1.0")


def beat(
    database: Database, worker_id: str = WORKER.id, *, gpu: Gpu | None = None, stopping: bool = False
) -> None:
    identity = Identity(worker_id, WORKER.host, WORKER.pid, WORKER.queues, WORKER.device, WORKER.version)
    with database.transaction() as session:
        service.beat(session, identity, gpu=gpu, stopping=stopping)


def unseen_for(database: Database, worker_id: str, seconds: float) -> None:
    with database.transaction() as session:
        seen_at = now(session) - timedelta(seconds=seconds)
        session.execute(update(Worker).where(Worker.id == worker_id).values(seen_at=seen_at))


def listed(api: httpx.Client) -> list[dict[str, object]]:
    return api.get("/workers").json()["items"]


def test_nobody(api: httpx.Client) -> None:
    assert listed(api) == []


def test_a_worker_and_what_it_holds(api: httpx.Client, database: Database, queued_job: str) -> None:
    beat(database)
    assert claim(database, queued_job, worker=WORKER.id)
    with database.transaction() as session:
        theirs = add_job(session, tenant_id="somebody_else").id
    assert claim(database, theirs, worker=WORKER.id)
    (worker,) = listed(api)
    assert worker.pop("started_at") == worker.pop("seen_at")
    assert worker == {
        "id": WORKER.id,
        "state": "alive",
        "host": "gpu-3",
        "pid": 4711,
        "queues": ["distil"],
        "device": "auto",
        "gpu": None,
        "version": "0.1.0",
        "runs": [queued_job],
    }
    beat(database)
    (worker,) = listed(api)
    assert worker["seen_at"] > worker["started_at"]  # type: ignore[operator]


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_only_a_platform_admin_sees_where_workers_run(settings: Settings, database: Database) -> None:
    beat(database, new_worker_id())
    shown = {}
    with running_api(settings.model_copy(update={"access_control": "keys"})) as api:
        for role in ("platform", "admin", "viewer"):
            header = bearing(new_key(database, ROLES[role]))
            shown[role] = api.get("/v1/workers", headers=header).json()["items"][0]
    assert (shown["platform"]["host"], shown["platform"]["pid"]) == (WORKER.host, WORKER.pid)
    for role in ("admin", "viewer"):
        assert shown[role] == shown["platform"] | {"host": None, "pid": None}
    assert socket.gethostname() not in str(shown)
    assert re.fullmatch(r"worker_[0-9a-f]{32}", shown["viewer"]["id"])


def test_the_gpu_is_that_of_the_last_heartbeat(api: httpx.Client, database: Database) -> None:
    for used in (0, 60 * 2**30):
        beat(database, gpu=Gpu("NVIDIA H200", used, 141 * 2**30, "580.95.05"))
        assert [worker["gpu"] for worker in listed(api)] == [
            {
                "name": "NVIDIA H200",
                "memory_used_bytes": used,
                "memory_total_bytes": 141 * 2**30,
                "driver": "580.95.05",
            }
        ]
    beat(database)
    assert [worker["gpu"] for worker in listed(api)] == [None]


def test_alive_silent_and_stopped(api: httpx.Client, database: Database, settings: Settings) -> None:
    for worker_id in ("a", "b", "c"):
        beat(database, worker_id)
    unseen_for(database, "b", settings.lease_seconds + 1)
    beat(database, "c", stopping=True)
    assert {worker["id"]: worker["state"] for worker in listed(api)} == {
        "a": "alive",
        "b": "silent",
        "c": "stopped",
    }
    beat(database, "b")
    assert "silent" not in {worker["state"] for worker in listed(api)}


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_the_keeper_forgets_workers_that_are_long_gone(
    api: httpx.Client, database: Database, settings: Settings
) -> None:
    for worker_id in ("a", "b"):
        beat(database, worker_id)
    unseen_for(database, "b", settings.worker_retention_seconds + 1)
    with keepers(brisk(settings)):
        wait_until(lambda: [worker["id"] for worker in listed(api)] == ["a"])
    beat(database, "b")  # it was only asleep
    assert len(listed(api)) == 2


def test_runs_of_workers_that_are_not_known_harm_nobody(
    api: httpx.Client, database: Database, queued_job: str
) -> None:
    assert claim(database, queued_job, worker="unknown")
    beat(database)
    assert [worker["runs"] for worker in listed(api)] == [[]]
    with database.reading() as session:
        assert session.get_one(Job, queued_job).worker == "unknown"
