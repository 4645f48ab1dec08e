"""What workers and keepers write of runs, each in a transaction of its own."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from api.db import Database, now
from api.models import DEFAULT_TENANT, Job, RunState
from api.runs import claims
from api.runs.cancel import request_cancel
from api.runs.claims import Claim
from api.runs.sweep import Swept, sweep_expired

LEASE = timedelta(seconds=60)


def claim(database: Database, run_id: str, *, worker: str = "w1", max_attempts: int = 3) -> Claim | None:
    """Claim a job for a minute; `None` where it cannot be claimed."""
    with database.transaction() as session:
        return claims.claim(session, Job, run_id, worker=worker, lease=LEASE, max_attempts=max_attempts)


def claim_next(database: Database, *, worker: str = "w1") -> Claim | None:
    """Claim the run whose turn it is."""
    with database.transaction() as session:
        return claims.claim_next(session, worker=worker, lease=LEASE)


def end_after(database: Database, held: Claim, seconds: float) -> None:
    """End a claim that was held for so long."""
    began = timedelta(seconds=seconds)
    with database.transaction() as session:
        session.execute(
            update(held.model).where(held.model.id == held.run_id).values(claimed_at=now(session) - began)
        )
        claims.succeed(session, held)


def claimed(database: Database, run_id: str) -> Claim:
    """Claim a job that can be claimed."""
    held = claim(database, run_id)
    assert held is not None
    return held


def expire_lease(database: Database, run_id: str) -> None:
    """Let the lease have run out a second ago."""
    with database.transaction() as session:
        session.execute(
            update(Job).where(Job.id == run_id).values(lease_expires_at=now(session) - timedelta(seconds=1))
        )


def cancel(database: Database, run_id: str) -> RunState | None:
    """Cancel a job as its owner does."""
    with database.transaction() as session:
        return request_cancel(session, Job, run_id, tenant_id=DEFAULT_TENANT)


def report(session: Session, held: Claim) -> RunState:
    """Report progress halfway."""
    return claims.report(
        session,
        held,
        stage="distilling",
        progress=0.5,
        step=3,
        steps=6,
        losses={"outer": 1.5},
        scores={"ndcg@10": 0.2},
        eta_seconds=9.0,
    )


WRITES: dict[str, Callable[[Session, Claim], object]] = {
    "renew": lambda session, held: claims.renew(session, held, lease=LEASE),
    "report": report,
    "current_state": claims.current_state,
    "succeed": lambda session, held: claims.succeed(session, held, metrics={"stale": True}),
    "fail": lambda session, held: claims.fail(session, held, {"code": "stale", "detail": "stale"}),
    "cancelled": claims.cancelled,
    "hand_back": claims.hand_back,
}
"""Every write that needs a claim, by its name."""


def sweep(database: Database, *, max_attempts: int = 3) -> Swept:
    """Take back the jobs whose leases have run out, as a keeper does."""
    with database.transaction() as session:
        return sweep_expired(session, Job, max_attempts=max_attempts)


def succeed(database: Database, job_id: str) -> None:
    """Run a job to its end, which adds three events: claimed, warning, succeeded."""
    held = claimed(database, job_id)
    with database.transaction() as session:
        claims.record(session, held, claims.EventKind.WARNING, detail="it is slow")
        claims.succeed(session, held, metrics={})
