"""What an attempt does to its run (claim, renew, report, end), each as one conditional update."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Update,
    and_,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session, aliased, lazyload

from api import outbox
from api.db import UtcDateTime, now
from api.errors import LeaseLostError
from api.models import HELD, RUN_KINDS, Checkpoint, OutboxMessage, Run, RunState
from api.runs import events, shares, turns
from api.runs.events import EventKind


def kept_progress(model: type[Run]) -> dict[str, Any]:
    """Values of the progress columns of a run that nobody is executing: the progress of its latest checkpoint."""
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
    """The right to execute a run, until another attempt begins."""

    model: type[Run]
    run_id: str
    attempt: int
    request_id: str | None = field(default=None, compare=False)
    traceparent: str | None = field(default=None, compare=False)
    waited: timedelta | None = field(default=None, compare=False)
    """Time in the queue; None if the run was taken over from a worker that disappeared."""
    seconds_left: float | None = field(default=None, compare=False)
    """Seconds to the deadline of the run; None if it has none."""

    @property
    def holds(self) -> ColumnElement[bool]:
        """The fence: a condition that is true for the row while this is its current attempt and has not ended."""
        return and_(
            self.model.id == self.run_id,
            self.model.attempt == self.attempt,
            self.model.state.in_(HELD),
        )


def claim_next(session: Session, *, worker: str, lease: timedelta) -> Claim | None:
    """Claim the queued run whose turn it is (`api.runs.turns`), of any kind.

    A run that another worker is about to claim is passed over. If there is no other, this waits until it is known
    whether it did: a wake-up must not be spent in vain.

    Returns:
        `None` if no run is queued.
    """
    at = now(session)
    heads = turns.in_turn(session, at=at)
    for skip_locked in (True, False):
        for head in heads:
            lane = {"lane_priority": head.priority, "lane_tenant": head.tenant_id}
            first = _first_of_lane(head.model, skip_locked)
            if held := _begin(session, head.model, first, lane, worker=worker, lease=lease, at=at):
                return held
    return None


@functools.cache
def _first_of_lane(model: type[Run], skip_locked: bool) -> Update:
    """The beginning of an attempt at the oldest run of a lane that can be claimed; see `_beginning`."""
    waiting = aliased(model)
    oldest = (
        select(waiting.id)
        .where(
            turns.is_queued(waiting),
            waiting.priority == bindparam("lane_priority"),
            waiting.tenant_id == bindparam("lane_tenant"),
        )
        .order_by(waiting.created_at, waiting.id)
        .limit(1)
        .with_for_update(skip_locked=skip_locked)
        .scalar_subquery()
    )
    return _beginning(model, model.id == oldest)


def _beginning(model: type[Run], which: ColumnElement[bool], *, crashed: bool = False) -> Update:
    """The beginning of the next attempt at a run, with parameters for what `_begin` knows."""
    at: BindParameter[datetime] = bindparam("begun_at", type_=UtcDateTime())
    return (
        update(model)
        .where(which)
        .values(
            state=RunState.RUNNING,
            attempt=model.attempt + 1,
            crashes=model.crashes + (1 if crashed else 0),
            worker=bindparam("by_worker"),
            lease_expires_at=bindparam("until", type_=UtcDateTime()),
            claimed_at=at,
            yields=False,
            started_at=func.coalesce(model.started_at, at),
            **kept_progress(model),
        )
        .returning(model.id, model.attempt, model.request_id, model.traceparent, model.deadline_at)
    )


def claim(
    session: Session, model: type[Run], run_id: str, *, worker: str, lease: timedelta, max_attempts: int
) -> Claim | None:
    """Claim this run if it is queued, or if its worker has disappeared and one more attempt is allowed.

    Returns:
        `None` if it cannot be claimed: the message is a duplicate, or the run was cancelled or is being executed.
    """
    at = now(session)
    before = session.scalar(
        select(model)
        .where(model.id == run_id, _waiting(model, at, max_attempts))
        .options(lazyload("*"))
        .with_for_update()
    )
    if before is None:
        return None
    crashed = before.state is RunState.RUNNING
    if crashed:
        shares.settle(session, model, [run_id])
        events.record(session, model, run_id, EventKind.LEASE_EXPIRED, **vanished(before), then="taken_over")
    beginning = _beginning(model, model.id == run_id, crashed=crashed)
    return _begin(session, model, beginning, {}, worker=worker, lease=lease, at=at)


def _begin(
    session: Session,
    model: type[Run],
    beginning: Update,
    parameters: Mapping[str, Any],
    *,
    worker: str,
    lease: timedelta,
    at: datetime,
) -> Claim | None:
    """Begin the next attempt at a run."""
    own = {"by_worker": worker, "until": at + lease, "begun_at": at}
    options = {"synchronize_session": False}
    begun = session.execute(beginning, {**parameters, **own}, execution_options=options).one_or_none()
    if begun is None:
        return None
    run_id, attempt, request_id, traceparent, deadline = begun
    queued_at = session.scalar(
        delete(OutboxMessage).where(OutboxMessage.run_id == run_id).returning(OutboxMessage.queued_at)
    )
    events.record(session, model, run_id, EventKind.CLAIMED, worker=worker)
    return Claim(
        model,
        run_id,
        attempt,
        request_id=request_id,
        traceparent=traceparent,
        waited=at - queued_at if queued_at else None,
        seconds_left=None if deadline is None else (deadline - at).total_seconds(),
    )


def claimable(session: Session, model: type[Run], run_id: str, *, max_attempts: int) -> bool:
    """Whether there is something to claim for a worker that was woken for this run: any run, or this one."""
    if any(session.scalar(select(kind.id).where(turns.is_queued(kind)).limit(1)) for kind in RUN_KINDS):
        return True
    waiting = _waiting(model, now(session), max_attempts)
    return session.scalar(select(model.id).where(model.id == run_id, waiting)) is not None


def _waiting(model: type[Run], at: datetime, max_attempts: int) -> ColumnElement[bool]:
    """Queued, or abandoned by a worker that has disappeared, with an attempt left."""
    abandoned = and_(
        model.state == RunState.RUNNING, model.lease_expires_at < at, model.crashes + 1 < max_attempts
    )
    return or_(model.state == RunState.QUEUED, abandoned)


def vanished(run: Run) -> dict[str, Any]:
    """The data of an event about an attempt whose lease has expired."""
    where = f" in stage {run.stage}, at step {run.step} of {run.steps}" if run.stage else ""
    return {
        "worker": run.worker,
        "reason": f"The worker {run.worker} sent no heartbeat for the duration of its lease{where}.",
    }


def renew(session: Session, held: Claim, *, lease: timedelta) -> RunState:
    """Extend the lease (a heartbeat).

    Raises:
        LeaseLostError: The claim has ended.
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
    """Write the progress of the run, also as an `event` if one is given, and return the state of the run.

    Raises:
        LeaseLostError: The claim has ended.
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


def record(session: Session, held: Claim, kind: EventKind, **data: Any) -> RunState:
    """Record an event without changing the run, and return the state of the run.

    Raises:
        LeaseLostError: The claim has ended.
    """
    state = lock(session, held)
    events.record(session, held.model, held.run_id, kind, **data)
    return state


def lock(session: Session, held: Claim) -> RunState:
    """Lock the row of the run until the transaction ends, and return the state of the run.

    Raises:
        LeaseLostError: The claim has ended.
    """
    return _write(session, held, attempt=held.attempt)


def current_state(session: Session, held: Claim) -> RunState:
    """Return the state of the run without writing anything.

    Raises:
        LeaseLostError: The claim has ended.
    """
    state = session.scalar(select(held.model.state).where(held.holds))
    return _or_lost(held, state)


def succeed(session: Session, held: Claim, **results: Any) -> RunState:
    """End the run with its `results`, unless a client has requested its cancellation.

    Returns:
        SUCCEEDED, or CANCELLED, in which case the results must not be kept.

    Raises:
        LeaseLostError: The claim has ended.
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
    """End the run with an error, or as cancelled if a client has requested that.

    Raises:
        LeaseLostError: The claim has ended.
    """
    state = _end(
        session, held, RunState.FAILED, finished_at=now(session), eta_seconds=None, error=dict(error)
    )
    if state is RunState.FAILED:
        events.record(session, held.model, held.run_id, EventKind.FAILED, error=dict(error))
    return state


def cancelled(session: Session, held: Claim) -> RunState:
    """End the run as cancelled.

    Raises:
        LeaseLostError: The claim has ended, or no cancellation was requested.
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
    shares.settle(session, held.model, [held.run_id])
    events.record(session, held.model, held.run_id, EventKind.CANCELLED)
    return RunState.CANCELLED


def must_yield(session: Session, held: Claim) -> bool:
    """Whether this attempt has been asked to make room for a run of a higher class."""
    return bool(session.scalar(select(held.model.yields).where(held.holds)))


def hand_back(session: Session, held: Claim, *, kind: EventKind = EventKind.HANDED_BACK) -> RunState:
    """Give up the claim of an unfinished run, so that another worker can continue it, now or after a pause.

    Returns:
        QUEUED, because this worker is being stopped or must make room, as `kind` says; or PAUSED or CANCELLED, if a
        client has requested that.

    Raises:
        LeaseLostError: The claim has ended.
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
    if state is None:
        return cancelled(session, held)
    shares.settle(session, held.model, [held.run_id])
    if state is RunState.QUEUED:
        outbox.add(session, held.model, held.run_id)
        events.record(session, held.model, held.run_id, kind)
    elif state is RunState.PAUSED:
        events.record(session, held.model, held.run_id, EventKind.PAUSED)
    return state


def _end(session: Session, held: Claim, outcome: RunState, **values: Any) -> RunState:
    """Change `running` or `pausing` to `outcome`, or `cancelling` to `cancelled`."""
    going = held.model.state.in_((RunState.RUNNING, RunState.PAUSING))
    state = _update(session, held, going, state=outcome, lease_expires_at=None, **values)
    if state is None:
        return cancelled(session, held)
    shares.settle(session, held.model, [held.run_id])
    return state


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
        raise LeaseLostError(f"attempt {held.attempt} of {held.run_id} was superseded, or its run has ended")
    return state
