from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import event, update

from api.db import Database, now
from api.metrics.database import DatabaseCollector
from api.models import DEFAULT_TENANT, Checkpoint, Delivery, Job, OutboxMessage, Worker
from api.settings import Settings
from api.webhooks import service
from api.workers.service import Identity, beat
from tests.support.claims import cancel, claimed
from tests.support.jobs import add_job
from tests.support.live_api import running_api
from tests.support.scrape import Scrape, scrape
from tests.support.webhooks import LOOPBACK, add_webhook, due_delivery


def look(collector: DatabaseCollector) -> Scrape:
    registry = CollectorRegistry()
    registry.register(collector)
    return Scrape(generate_latest(registry).decode())


@pytest.fixture
def jobs(database: Database) -> list[str]:
    """Ids of four jobs: queued, queued, running, cancelled."""
    with database.transaction() as session:
        ids = [add_job(session).id for _ in range(4)]
    claimed(database, ids[2])
    cancel(database, ids[3])
    return ids


def shift(database: Database, job_id: str, *, queued: float = 0, lease: float = 0, sends: int = 0) -> None:
    """Put a job's times so many seconds back."""
    with database.transaction() as session:
        at = now(session)
        session.execute(
            update(OutboxMessage)
            .where(OutboxMessage.run_id == job_id)
            .values(queued_at=at - timedelta(seconds=queued), sends=sends)
        )
        session.execute(
            update(Job)
            .where(Job.id == job_id, Job.lease_expires_at.is_not(None))
            .values(lease_expires_at=at - timedelta(seconds=lease))
        )


def test_runs_are_counted_by_kind_and_state(database: Database, jobs: list[str]) -> None:
    seen = look(DatabaseCollector(database, silent_after=60))
    states = {labels["state"] for labels in seen.labels("td3_runs")}
    counts = {state: seen.value("td3_runs", kind="job", state=state) for state in states}
    assert counts == {
        "queued": 2,
        "running": 1,
        "cancelled": 1,
        "cancelling": 0,
        "pausing": 0,
        "paused": 0,
        "succeeded": 0,
        "failed": 0,
    }
    assert seen.value("td3_runs", kind="evaluation", state="queued") == 0
    assert seen.value("td3_database_up") == 1


def test_what_waits_and_what_was_never_sent(database: Database, jobs: list[str]) -> None:
    shift(database, jobs[0], queued=300, sends=1)
    shift(database, jobs[1], queued=50)
    seen = look(DatabaseCollector(database, silent_after=60))
    assert 300 <= seen.value("td3_queue_oldest_seconds", kind="job") < 3000
    assert seen.value("td3_queue_oldest_seconds", kind="evaluation") == 0
    assert seen.value("td3_outbox_unsent") == 1
    assert 50 <= seen.value("td3_outbox_lag_seconds") < 300


def test_a_lease_that_nobody_takes_up_is_overdue(database: Database, jobs: list[str]) -> None:
    collector = DatabaseCollector(database, silent_after=60, max_age=0)
    assert look(collector).value("td3_lease_overdue_seconds") == 0
    shift(database, jobs[2], lease=90)
    assert look(collector).value("td3_lease_overdue_seconds") >= 90


def test_running_runs_by_what_they_would_lose_and_workers_that_are_there(
    database: Database, jobs: list[str]
) -> None:
    with database.transaction() as session:
        at = now(session)
        session.execute(update(Job).values(started_at=at - timedelta(seconds=9000)))
        common = {"run_id": jobs[2], "attempt": 1, "storage_key": "x", "progress": 0.5}
        for number, age, size in ((1, 5000, 3), (2, 700, 3), (3, 10, None)):
            created_at = at - timedelta(seconds=age)
            session.add(Checkpoint(number=number, created_at=created_at, bytes=size, **common))
        for name, age, stopped_at in (("a", 1, None), ("b", 3600, None), ("c", 1, at)):
            worker = Identity(id=name, host="h", pid=1, queues=[], device="cpu", version="1")
            beat(session, worker)
            row = session.get_one(Worker, name)
            row.seen_at, row.stopped_at = at - timedelta(seconds=age), stopped_at
    seen = look(DatabaseCollector(database, silent_after=600))
    assert 700 <= seen.value("td3_checkpoint_oldest_seconds", kind="job") < 5000
    assert seen.value("td3_checkpoint_oldest_seconds", kind="evaluation") == 0
    assert seen.value("td3_workers_alive") == 1


def test_deliveries_that_wait_and_that_nobody_sends(database: Database) -> None:
    collector = DatabaseCollector(database, silent_after=60, max_age=0)
    webhook_id = add_webhook(database)
    for seconds in (50, 300):
        delivery_id = due_delivery(database, webhook_id)
        with database.transaction() as session:
            row = session.get_one(Delivery, delivery_id)
            row.created_at -= timedelta(seconds=10 * seconds)
            row.next_try_at = now(session) - timedelta(seconds=seconds - 200)
    seen = look(collector)
    assert seen.value("td3_webhooks_waiting") == 2
    assert 3000 <= seen.value("td3_webhook_oldest_seconds") < 4000
    assert 100 <= seen.value("td3_webhook_overdue_seconds") < 200
    with database.transaction() as session:
        service.change(session, webhook_id, tenant_id=DEFAULT_TENANT, policy=LOOPBACK, enabled=False)
    seen = look(collector)
    for name in ("td3_webhooks_waiting", "td3_webhook_oldest_seconds", "td3_webhook_overdue_seconds"):
        assert seen.value(name) == 0


@pytest.fixture
def looks(database: Database) -> Iterator[list[object]]:
    """Grows with every transaction on the database."""
    seen: list[object] = []
    note = seen.append
    event.listen(database.engine, "begin", note)
    yield seen
    event.remove(database.engine, "begin", note)


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_scrapes_in_a_row_share_one_look(database: Database, looks: list[object]) -> None:
    collector = DatabaseCollector(database, silent_after=60, max_age=1000)
    for _ in range(5):
        look(collector)
    assert len(looks) == 1
    collector = DatabaseCollector(database, silent_after=60, max_age=0)
    look(collector)
    look(collector)
    assert len(looks) == 3


def test_every_api_process_says_the_same(settings: Settings, database: Database, jobs: list[str]) -> None:
    with running_api(settings) as one, running_api(settings) as other:
        for name in ("td3_runs", "td3_outbox_unsent"):
            seen = [
                {tuple(labels.items()): found.value(name, **labels) for labels in found.labels(name)}
                for found in (scrape(one), scrape(other))
            ]
            assert seen[0]
            assert seen[0] == seen[1]


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_without_a_database_the_rest_is_told(settings: Settings, tmp_path: Path) -> None:
    nowhere = settings.model_copy(update={"database_url": "postgresql://td3@127.0.0.1:1/td3"})
    with running_api(nowhere) as api:
        assert httpx.codes.is_success(api.get("/healthz").status_code)
        seen = scrape(api)
    assert seen.value("td3_database_up") == 0
    assert {name for name in seen.names if name.startswith("td3_runs")} == set()
    assert seen.value("td3_http_request_duration_seconds_count", route="/healthz", method="GET", status="2xx")
