"""Recovery of runs whose worker or process has disappeared. It is idempotent: sweeps may run concurrently."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session, lazyload

from api import outbox
from api.db import now
from api.errors import LeaseLostError
from api.models import HELD, Event, Run, RunState
from api.runs import events, shares
from api.runs.claims import Claim, kept_progress, vanished
from api.runs.events import EventKind

BATCH = 500
"""Maximum number of runs that one sweep handles."""


@dataclass(frozen=True, slots=True)
class Swept:
    """Ids of the runs that one sweep handled, by outcome."""

    cancelled: list[str] = field(default_factory=list[str])
    failed: list[str] = field(default_factory=list[str])
    paused: list[str] = field(default_factory=list[str])
    requeued: list[str] = field(default_factory=list[str])


def sweep_expired(session: Session, model: type[Run], *, max_attempts: int) -> Swept:
    """Handle runs with an expired lease: cancel, pause or fail them (after too many crashes), or queue them again."""
    swept = Swept()
    by_outcome = {
        RunState.CANCELLED: swept.cancelled,
        RunState.FAILED: swept.failed,
        RunState.PAUSED: swept.paused,
        RunState.QUEUED: swept.requeued,
    }
    for run in _expired(session, model):
        outcome = _end_attempt(session, model, run, vanished(run), max_attempts=max_attempts)
        by_outcome[outcome].append(run.id)
    ended = [run_id for run_ids in by_outcome.values() for run_id in run_ids]
    shares.settle(session, model, ended)
    return swept


def take_back(session: Session, held: Claim, *, reason: str, max_attempts: int) -> RunState:
    """Handle a run whose process has ended, though not its lease, in the same way.

    Args:
        session: A transaction.
        held: The claim of that process.
        reason: What became of it, for the events of the run.
        max_attempts: Number of attempts in a row that may end like this.

    Returns:
        QUEUED, FAILED, PAUSED or CANCELLED.

    Raises:
        LeaseLostError: The claim has ended.
    """
    run = session.scalar(select(held.model).where(held.holds).options(lazyload("*")).with_for_update())
    if run is None:
        raise LeaseLostError(f"attempt {held.attempt} of {held.run_id} has ended")
    lost = {"worker": run.worker, "reason": reason}
    outcome = _end_attempt(session, held.model, run, lost, max_attempts=max_attempts)
    shares.settle(session, held.model, [held.run_id])
    return outcome


def _end_attempt(
    session: Session, model: type[Run], run: Run, lost: Mapping[str, Any], *, max_attempts: int
) -> RunState:
    if run.state is RunState.CANCELLING:
        _cancel(session, model, run, lost)
        return RunState.CANCELLED
    if run.state is RunState.PAUSING:
        _pause(session, model, run, lost)
        return RunState.PAUSED
    if run.crashes + 1 >= max_attempts:
        _give_up(session, model, run, lost)
        return RunState.FAILED
    _requeue(session, model, run, lost)
    return RunState.QUEUED


def _expired(session: Session, model: type[Run]) -> Sequence[Run]:
    """Lock and return the runs whose lease has expired, except those that are being written."""
    held = model.state.in_(HELD)
    return session.scalars(
        select(model)
        .where(held, model.lease_expires_at < now(session))
        .limit(BATCH)
        .options(lazyload("*"))
        .with_for_update(skip_locked=True)
    ).all()


def _cancel(session: Session, model: type[Run], run: Run, lost: Mapping[str, Any]) -> None:
    _move(session, model, run, state=RunState.CANCELLED, finished_at=now(session), eta_seconds=None)
    events.record(session, model, run.id, EventKind.LEASE_EXPIRED, **lost, then="cancelled")
    events.record(session, model, run.id, EventKind.CANCELLED)


def _pause(session: Session, model: type[Run], run: Run, lost: Mapping[str, Any]) -> None:
    _move(session, model, run, state=RunState.PAUSED, crashes=run.crashes + 1, **kept_progress(model))
    events.record(session, model, run.id, EventKind.LEASE_EXPIRED, **lost, then="paused")
    events.record(session, model, run.id, EventKind.PAUSED)


def _give_up(session: Session, model: type[Run], run: Run, lost: Mapping[str, Any]) -> None:
    events.record(session, model, run.id, EventKind.LEASE_EXPIRED, **lost, then="failed")
    crashes = run.crashes + 1
    error = {
        "code": "worker_lost",
        "detail": f"{crashes} workers in a row disappeared while executing this run, without making progress. "
        "Usual causes are a lack of memory, a killed process or a disconnected machine; see the logs of the workers. "
        f"The last: {lost['reason']}",
        "attempts": _vanished_attempts(session, run.id),
    }
    _move(
        session,
        model,
        run,
        state=RunState.FAILED,
        finished_at=now(session),
        eta_seconds=None,
        crashes=crashes,
        error=error,
    )
    events.record(session, model, run.id, EventKind.FAILED, error=error)


def _vanished_attempts(session: Session, run_id: str) -> list[Mapping[str, Any]]:
    """Return the attempts whose worker disappeared, with the data of their events."""
    lost = session.scalars(
        select(Event).where(Event.run_id == run_id, Event.kind == EventKind.LEASE_EXPIRED).order_by(Event.seq)
    )
    return [{"attempt": event.attempt, "at": event.at.isoformat(), **event.data} for event in lost]


def _requeue(session: Session, model: type[Run], run: Run, lost: Mapping[str, Any]) -> None:
    _move(session, model, run, state=RunState.QUEUED, crashes=run.crashes + 1, **kept_progress(model))
    events.record(session, model, run.id, EventKind.LEASE_EXPIRED, **lost, then="queued")
    outbox.add(session, model, run.id)


def _move(session: Session, model: type[Run], run: Run, **values: Any) -> None:
    session.execute(
        update(model)
        .where(model.id == run.id)
        .values(lease_expires_at=None, **values)
        .execution_options(synchronize_session=False)
    )
