import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import inspect

from api.db import Database
from api.errors import LeaseLostError
from api.models import Job, RunState
from api.runs import claims
from api.runs.cancel import request_cancel
from api.runs.claims import Claim
from api.runs.sweep import sweep_expired
from tests.support.claims import LEASE, WRITES, cancel, claim, claimed, expire_lease, report
from tests.support.jobs import job, outbox_ids


def columns(job: Job) -> dict[str, object]:
    return {column.key: getattr(job, column.key) for column in inspect(Job).column_attrs}


def test_a_claim_takes_the_run_and_its_message(database: Database, queued_job: str) -> None:
    assert outbox_ids(database) == [queued_job]
    assert claim(database, queued_job) == Claim(Job, queued_job, 1)
    row = job(database, queued_job)
    assert (row.state, row.attempt, row.crashes, row.worker) == (RunState.RUNNING, 1, 0, "w1")
    assert row.started_at is not None
    assert row.lease_expires_at is not None
    assert row.lease_expires_at - row.started_at == LEASE
    assert outbox_ids(database) == []


def test_a_duplicate_message_claims_nothing(database: Database, queued_job: str) -> None:
    claimed(database, queued_job)
    assert claim(database, queued_job, worker="w2") is None
    assert job(database, queued_job).worker == "w1"


def test_an_unknown_run_cannot_be_claimed(database: Database) -> None:
    assert claim(database, "job_unknown") is None


def test_of_many_simultaneous_claims_one_wins(database: Database, queued_job: str) -> None:
    together = threading.Barrier(8)

    def contend(number: int) -> Claim | None:
        together.wait()
        return claim(database, queued_job, worker=f"w{number}")

    with ThreadPoolExecutor(8) as pool:
        winners = [held for held in pool.map(contend, range(8)) if held]
    assert winners == [Claim(Job, queued_job, 1)]


def test_an_expired_lease_can_be_claimed_over(database: Database, queued_job: str) -> None:
    claimed(database, queued_job)
    expire_lease(database, queued_job)
    assert claim(database, queued_job, worker="w2") == Claim(Job, queued_job, 2)
    row = job(database, queued_job)
    assert (row.worker, row.crashes) == ("w2", 1)


def claimable(database: Database, run_id: str, *, max_attempts: int = 3) -> bool:
    with database.reading() as session:
        return claims.claimable(session, Job, run_id, max_attempts=max_attempts)


def test_what_can_be_claimed_is_known_without_claiming_it(database: Database, queued_job: str) -> None:
    assert claimable(database, queued_job)
    assert job(database, queued_job).attempt == 0
    claimed(database, queued_job)
    assert not claimable(database, queued_job)
    expire_lease(database, queued_job)
    assert claimable(database, queued_job)
    assert not claimable(database, queued_job, max_attempts=1)
    cancel(database, queued_job)
    assert not claimable(database, queued_job)
    assert not claimable(database, "job_unknown")


def test_an_expired_lease_is_not_claimed_beyond_the_cap(database: Database, queued_job: str) -> None:
    claimed(database, queued_job)
    expire_lease(database, queued_job)
    assert claim(database, queued_job, max_attempts=1) is None


def test_reports_are_visible_and_return_the_state(database: Database, queued_job: str) -> None:
    held = claimed(database, queued_job)
    with database.transaction() as session:
        assert report(session, held) is RunState.RUNNING
    row = job(database, queued_job)
    assert (row.stage, row.progress, row.step, row.steps) == ("distilling", 0.5, 3, 6)
    assert (row.losses, row.scores, row.eta_seconds) == ({"outer": 1.5}, {"ndcg@10": 0.2}, 9.0)
    assert cancel(database, queued_job) is RunState.CANCELLING
    with database.transaction() as session:
        assert report(session, held) is RunState.CANCELLING
        assert claims.current_state(session, held) is RunState.CANCELLING


def test_renewing_extends_the_lease(database: Database, queued_job: str) -> None:
    held = claimed(database, queued_job)
    before = job(database, queued_job).lease_expires_at
    with database.transaction() as session:
        assert claims.renew(session, held, lease=LEASE * 2) is RunState.RUNNING
    after = job(database, queued_job).lease_expires_at
    assert before is not None
    assert after is not None
    assert after - before > LEASE / 2


@pytest.mark.parametrize("write", WRITES)
def test_a_superseded_attempt_writes_nothing(database: Database, queued_job: str, write: str) -> None:
    stale = claimed(database, queued_job)
    expire_lease(database, queued_job)
    with database.transaction() as session:
        assert sweep_expired(session, Job, max_attempts=3).requeued == [queued_job]
    with pytest.raises(LeaseLostError), database.transaction() as session:  # while it is queued again
        WRITES[write](session, stale)
    claimed(database, queued_job)
    before = job(database, queued_job)
    with pytest.raises(LeaseLostError), database.transaction() as session:  # while another runs it
        WRITES[write](session, stale)
    after = job(database, queued_job)
    assert columns(after) == columns(before)


@pytest.mark.parametrize("write", WRITES)
def test_an_ended_run_accepts_no_more_writes(database: Database, queued_job: str, write: str) -> None:
    held = claimed(database, queued_job)
    with database.transaction() as session:
        assert claims.succeed(session, held, metrics={"ndcg@10": 0.1}) is RunState.SUCCEEDED
    with pytest.raises(LeaseLostError), database.transaction() as session:
        WRITES[write](session, held)
    row = job(database, queued_job)
    assert (row.state, row.metrics, row.progress) == (RunState.SUCCEEDED, {"ndcg@10": 0.1}, 1.0)
    assert row.finished_at is not None
    assert row.lease_expires_at is None


@pytest.mark.parametrize("write", ["succeed", "fail", "hand_back", "cancelled"])
def test_a_run_to_be_cancelled_ends_cancelled(database: Database, queued_job: str, write: str) -> None:
    held = claimed(database, queued_job)
    cancel(database, queued_job)
    with database.transaction() as session:
        assert WRITES[write](session, held) is RunState.CANCELLED
    row = job(database, queued_job)
    assert (row.state, row.error, row.metrics) == (RunState.CANCELLED, None, None)
    assert row.finished_at is not None
    assert outbox_ids(database) == []


def test_nobody_asked_for_the_cancel(database: Database, queued_job: str) -> None:
    held = claimed(database, queued_job)
    with pytest.raises(LeaseLostError), database.transaction() as session:
        claims.cancelled(session, held)


def test_failing_keeps_the_error(database: Database, queued_job: str) -> None:
    held = claimed(database, queued_job)
    with database.transaction() as session:
        claims.fail(session, held, {"code": "diverged", "detail": "NaN"})
    row = job(database, queued_job)
    assert (row.state, row.error) == (RunState.FAILED, {"code": "diverged", "detail": "NaN"})


def test_handing_back_queues_the_run_afresh(database: Database, queued_job: str) -> None:
    held = claimed(database, queued_job)
    with database.transaction() as session:
        report(session, held)
    with database.transaction() as session:
        assert claims.hand_back(session, held) is RunState.QUEUED
    row = job(database, queued_job)
    assert (row.state, row.stage, row.progress, row.crashes) == (RunState.QUEUED, None, 0.0, 0)
    assert row.finished_at is None
    assert outbox_ids(database) == [queued_job]
    assert claim(database, queued_job) == Claim(Job, queued_job, 2)


def test_cancelling_a_queued_run_is_immediate(database: Database, queued_job: str) -> None:
    assert cancel(database, queued_job) is RunState.CANCELLED
    assert job(database, queued_job).finished_at is not None
    assert outbox_ids(database) == []
    assert claim(database, queued_job) is None
    assert cancel(database, queued_job) is None


def test_a_tenant_cannot_cancel_anothers_run(database: Database, queued_job: str) -> None:
    with database.transaction() as session:
        assert request_cancel(session, Job, queued_job, tenant_id="somebody_else") is None
    assert job(database, queued_job).state is RunState.QUEUED
