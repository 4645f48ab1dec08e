"""Claim, renew, report, end: what one attempt may do to its run, each as one conditional update."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, delete, func, or_, select, update
from sqlalchemy.orm import Session, lazyload

from api import outbox
from api.db import now
from api.errors import LeaseLostError
from api.models import HELD, Checkpoint, OutboxMessage, Run, RunState
from api.runs import events
from api.runs.events import EventKind


def kept_progress(model: type[Run]) -> dict[str, Any]:
    """Values of the progress columns while nobody works: how far the latest checkpoint is."""
    latest = (
        select(Checkpoint.progress)
        .where(Checkpoint.run_id == model.id, Checkpoint.bytes.is_not(None))
        .order_by(Checkpoint.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    return {
        "stage": None,
        "progress": func.coalesce(latest, 0.0),
        "step": 0,
        "steps": 0,
        "losses": None,
        "scores": None,
        "eta_seconds": None,
    }


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run something, for as long as no other attempt has begun."""

    model: type[Run]
    run_id: str
    attempt: int
    request_id: str | None = field(default=None, compare=False)
    traceparent: str | None = field(default=None, compare=False)
    waited: timedelta | None = field(default=None, compare=False)
    """In the queue; unknown of what was taken from a worker that vanished."""

    @property
    def holds(self) -> ColumnElement[bool]:
        """The fence: true of the row while this attempt is its current one and has not ended."""
        return and_(
            self.model.id == self.run_id,
            self.model.attempt == self.attempt,
            self.model.state.in_(HELD),
        )


def claim(
    session: Session, model: type[Run], run_id: str, *, worker: str, lease: timedelta, max_attempts: int
) -> Claim | None:
    """Take the run if it is queued, or if its worker vanished and the cap allows one more attempt.

    Returns:
        `None` where there is nothing to take: a duplicate message, a cancelled run, or one that is being run.
    """
    at = now(session)
    abandoned = and_(
        model.state == RunState.RUNNING, model.lease_expires_at < at, model.crashes + 1 < max_attempts
    )
    before = session.scalar(
        select(model)
        .where(model.id == run_id, or_(model.state == RunState.QUEUED, abandoned))
        .options(lazyload("*"))
        .with_for_update()
    )
    if before is None:
        return None
    if before.state is RunState.RUNNING:
        events.record(session, model, run_id, EventKind.LEASE_EXPIRED, **vanished(before), then="taken_over")
    attempt = session.scalars(
        update(model)
        .where(model.id == run_id)
        .values(
            state=RunState.RUNNING,
            attempt=model.attempt + 1,
            crashes=model.crashes + (1 if before.state is RunState.RUNNING else 0),
            worker=worker,
            lease_expires_at=at + lease,
            started_at=func.coalesce(model.started_at, at),
            **kept_progress(model),
        )
        .returning(model.attempt)
        .execution_options(synchronize_session=False)
    ).one()
    queued_at = session.scalar(
        delete(OutboxMessage).where(OutboxMessage.run_id == run_id).returning(OutboxMessage.queued_at)
    )
    events.record(session, model, run_id, EventKind.CLAIMED, worker=worker)
    return Claim(
        model,
        run_id,
        attempt,
        request_id=before.request_id,
        traceparent=before.traceparent,
        waited=at - queued_at if queued_at else None,
    )


def vanished(run: Run) -> dict[str, Any]:
    """What an event says of an attempt that was not heard of until its lease had run out."""
    where = f" in stage {run.stage}, at step {run.step} of {run.steps}" if run.stage else ""
    return {
        "worker": run.worker,
        "reason": f"The worker {run.worker} was not heard of for the length of its lease{where}.",
    }


def renew(session: Session, held: Claim, *, lease: timedelta) -> RunState:
    """Extend the lease; the heartbeat's write.

    Raises:
        LeaseLostError: The claim holds no more.
    """
    return _write(session, held, lease_expires_at=now(session) + lease)


def report(
    session: Session,
    held: Claim,
    *,
    stage: str,
    progress: float,
    step: int,
    steps: int,
    losses: Mapping[str, float],
    scores: Mapping[str, float],
    eta_seconds: float | None,
    event: EventKind | None = None,
) -> RunState:
    """Write how far the run has come, as an `event` too if one is named, and learn whether it is to be cancelled.

    Raises:
        LeaseLostError: The claim holds no more.
    """
    progressed = {
        "stage": stage,
        "progress": progress,
        "step": step,
        "steps": steps,
        "losses": dict(losses),
        "scores": dict(scores),
        "eta_seconds": eta_seconds,
    }
    state = _write(session, held, **progressed)
    if event:
        events.record(session, held.model, held.run_id, event, **progressed)
    return state


def note(session: Session, held: Claim, kind: EventKind, **data: Any) -> RunState:
    """Add an event that changes nothing but the log, and learn whether the run is to be cancelled.

    Raises:
        LeaseLostError: The claim holds no more.
    """
    state = hold(session, held)
    events.record(session, held.model, held.run_id, kind, **data)
    return state


def hold(session: Session, held: Claim) -> RunState:
    """Keep others from the run's row until the transaction ends, and change nothing.

    Raises:
        LeaseLostError: The claim holds no more.
    """
    return _write(session, held, attempt=held.attempt)


def current_state(session: Session, held: Claim) -> RunState:
    """Whether the run is to go on or to be cancelled, without writing anything.

    Raises:
        LeaseLostError: The claim holds no more.
    """
    state = session.scalar(select(held.model.state).where(held.holds))
    return _or_lost(held, state)


def succeed(session: Session, held: Claim, **results: Any) -> RunState:
    """End the run with its `results`, unless a client asked in time for it to be cancelled.

    Returns:
        SUCCEEDED, or CANCELLED: then nothing of the results may be kept.

    Raises:
        LeaseLostError: The claim holds no more.
    """
    state = _end(
        session,
        held,
        RunState.SUCCEEDED,
        finished_at=now(session),
        progress=1.0,
        step=held.model.steps,
        eta_seconds=0.0,
        **results,
    )
    if state is RunState.SUCCEEDED:
        events.record(session, held.model, held.run_id, EventKind.SUCCEEDED)
    return state


def fail(session: Session, held: Claim, error: Mapping[str, Any]) -> RunState:
    """End the run with an error, or as cancelled where that was asked for.

    Raises:
        LeaseLostError: The claim holds no more.
    """
    state = _end(
        session, held, RunState.FAILED, finished_at=now(session), eta_seconds=None, error=dict(error)
    )
    if state is RunState.FAILED:
        events.record(session, held.model, held.run_id, EventKind.FAILED, error=dict(error))
    return state


def cancelled(session: Session, held: Claim) -> RunState:
    """End the run as the client asked.

    Raises:
        LeaseLostError: The claim holds no more, or nobody asked.
    """
    state = _update(
        session,
        held,
        held.model.state == RunState.CANCELLING,
        state=RunState.CANCELLED,
        finished_at=now(session),
        lease_expires_at=None,
        eta_seconds=None,
    )
    _or_lost(held, state)
    events.record(session, held.model, held.run_id, EventKind.CANCELLED)
    return RunState.CANCELLED


def hand_back(session: Session, held: Claim) -> RunState:
    """Let go of a run that has not come to its end: for another worker at once, or for when it is resumed.

    Returns:
        QUEUED, because this worker is told to stop; PAUSED, if a client asked for that; or CANCELLED.

    Raises:
        LeaseLostError: The claim holds no more.
    """
    pausing = held.model.state == RunState.PAUSING
    state = _update(
        session,
        held,
        held.model.state.in_((RunState.RUNNING, RunState.PAUSING)),
        state=case((pausing, RunState.PAUSED), else_=RunState.QUEUED),
        lease_expires_at=None,
        **kept_progress(held.model),
    )
    if state is RunState.QUEUED:
        outbox.add(session, held.model, held.run_id)
        events.record(session, held.model, held.run_id, EventKind.HANDED_BACK)
    elif state is RunState.PAUSED:
        events.record(session, held.model, held.run_id, EventKind.PAUSED)
    return state or cancelled(session, held)


def _end(session: Session, held: Claim, outcome: RunState, **values: Any) -> RunState:
    """Leave `running` or `pausing` for `outcome`, or else `cancelling` for `cancelled`."""
    going = held.model.state.in_((RunState.RUNNING, RunState.PAUSING))
    state = _update(session, held, going, state=outcome, lease_expires_at=None, **values)
    return state or cancelled(session, held)


def _write(session: Session, held: Claim, **values: Any) -> RunState:
    return _or_lost(held, _update(session, held, **values))


def _update(
    session: Session, held: Claim, *conditions: ColumnElement[bool], **values: Any
) -> RunState | None:
    return session.scalar(
        update(held.model)
        .where(held.holds, *conditions)
        .values(**values)
        .returning(held.model.state)
        .execution_options(synchronize_session=False)
    )


def _or_lost(held: Claim, state: RunState | None) -> RunState:
    if state is None:
        raise LeaseLostError(f"attempt {held.attempt} of {held.run_id} was superseded or ended by others")
    return state
