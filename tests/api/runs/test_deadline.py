from datetime import timedelta

import pytest
from sqlalchemy import update

from api.db import Database, now
from api.models import DEFAULT_TENANT, Job, RunState
from api.runs.deadline import sweep_overdue
from api.runs.pause import request_pause
from tests.support.claims import claimed
from tests.support.jobs import job, outbox_ids


def sweep(database: Database) -> list[str]:
    with database.transaction() as session:
        return sweep_overdue(session, Job)


def set_deadline(database: Database, *, seconds: float) -> None:
    with database.transaction() as session:
        session.execute(update(Job).values(deadline_at=now(session) + timedelta(seconds=seconds)))


@pytest.mark.parametrize("paused", [True, False])
def test_what_waits_beyond_its_deadline_fails(database: Database, queued_job: str, paused: bool) -> None:
    if paused:
        with database.transaction() as session:
            request_pause(session, Job, queued_job, tenant_id=DEFAULT_TENANT)
    assert sweep(database) == []
    set_deadline(database, seconds=60)
    assert sweep(database) == []
    set_deadline(database, seconds=-1)
    assert sweep(database) == [queued_job]
    row = job(database, queued_job)
    state = "paused" if paused else "queued"
    assert row.error == {
        "code": "deadline_exceeded",
        "detail": f"The run missed its deadline; it was still {state}.",
    }
    assert (row.state, row.finished_at is not None) == (RunState.FAILED, True)
    assert outbox_ids(database) == []
    assert sweep(database) == []


def test_what_runs_is_its_workers_to_end(database: Database, queued_job: str) -> None:
    claimed(database, queued_job)
    set_deadline(database, seconds=-1)
    assert sweep(database) == []
