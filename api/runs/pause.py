"""Pausing and resuming a run at the request of a client."""

from sqlalchemy import case, delete, update
from sqlalchemy.orm import Session

from api import outbox
from api.models import OutboxMessage, Run, RunState
from api.runs import events
from api.runs.events import EventKind


def request_pause(session: Session, model: type[Run], run_id: str, *, tenant_id: str) -> RunState | None:
    """Pause a queued run at once; mark a running one, whose worker then stores a checkpoint and hands it back.

    Returns:
        The new state, or `None` if nothing changed: the run is unknown, ending or ended, or is pausing already.
    """
    state = _move(
        session,
        model,
        run_id,
        tenant_id,
        {RunState.QUEUED: RunState.PAUSED, RunState.RUNNING: RunState.PAUSING},
    )
    if state is RunState.PAUSED:
        session.execute(delete(OutboxMessage).where(OutboxMessage.run_id == run_id))
        events.record(session, model, run_id, EventKind.PAUSED)
    elif state is RunState.PAUSING:
        events.record(session, model, run_id, EventKind.PAUSING)
    return state


def request_resume(session: Session, model: type[Run], run_id: str, *, tenant_id: str) -> RunState | None:
    """Queue a paused run again; one that is only pausing continues with its worker.

    Returns:
        The new state, or `None` if the run is not paused.
    """
    state = _move(
        session,
        model,
        run_id,
        tenant_id,
        {RunState.PAUSED: RunState.QUEUED, RunState.PAUSING: RunState.RUNNING},
    )
    if state is not None:
        events.record(session, model, run_id, EventKind.RESUMED)
    if state is RunState.QUEUED:
        outbox.add(session, model, run_id)
    return state


def _move(
    session: Session, model: type[Run], run_id: str, tenant_id: str, moves: dict[RunState, RunState]
) -> RunState | None:
    return session.scalar(
        update(model)
        .where(model.id == run_id, model.tenant_id == tenant_id, model.state.in_(moves))
        .values(state=case(*((model.state == before, after) for before, after in moves.items())))
        .returning(model.state)
        .execution_options(synchronize_session=False)
    )
