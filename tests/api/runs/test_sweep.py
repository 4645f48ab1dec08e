from datetime import timedelta

from api.db import Database
from api.models import RunState
from api.runs.sweep import Swept
from tests.support.claims import cancel, claimed, expire_lease, sweep
from tests.support.jobs import job, outbox_ids

NOTHING = Swept()


def test_a_live_lease_is_left_alone(database: Database, queued_job: str) -> None:
    assert sweep(database) == NOTHING
    claimed(database, queued_job)
    assert sweep(database) == NOTHING


def test_an_expired_run_is_queued_again_once(database: Database, queued_job: str) -> None:
    claimed(database, queued_job)
    expire_lease(database, queued_job)
    assert sweep(database).requeued == [queued_job]
    assert sweep(database) == NOTHING
    row = job(database, queued_job)
    assert (row.state, row.attempt, row.crashes, row.stage) == (RunState.QUEUED, 1, 1, None)
    assert outbox_ids(database) == [queued_job]


def test_the_cap_on_attempts_fails_the_run_with_its_reason(database: Database, queued_job: str) -> None:
    for _ in range(2):
        claimed(database, queued_job)
        expire_lease(database, queued_job)
        assert sweep(database).requeued == [queued_job]
    claimed(database, queued_job)
    expire_lease(database, queued_job)
    assert sweep(database).failed == [queued_job]
    row = job(database, queued_job)
    assert (row.state, row.attempt, row.crashes) == (RunState.FAILED, 3, 3)
    assert row.error is not None
    assert row.error["code"] == "worker_lost"
    assert "3 workers in a row disappeared" in row.error["detail"]
    assert row.finished_at is not None


def test_a_worker_that_dies_while_cancelling_leaves_it_to_the_keeper(
    database: Database, queued_job: str
) -> None:
    claimed(database, queued_job)
    cancel(database, queued_job)
    expire_lease(database, queued_job)
    assert sweep(database).cancelled == [queued_job]
    row = job(database, queued_job)
    assert row.state is RunState.CANCELLED
    assert row.finished_at is not None
    assert row.started_at is not None
    assert timedelta() < row.finished_at - row.started_at < timedelta(minutes=1)
