"""Cancelling a run at the request of a client."""

from sqlalchemy import and_, case, delete, update
from sqlalchemy.orm import Session

from api.db import now
from api.models import OutboxMessage, Run, RunState
from api.runs import events
from api.runs.events import EventKind


def request_cancel(session: Session, model: type[Run], run_id: str, *, tenant_id: str) -> RunState | None:
    """Cancel a queued or paused run at once; mark a running one, which its worker then ends.

    Returns:
        The new state, or `None` if nothing changed: the run is unknown, has ended, or is being cancelled already.
    """
    idle = model.state.in_((RunState.QUEUED, RunState.PAUSED))
    state = session.scalar(
        update(model)
        .where(
            and_(model.id == run_id, model.tenant_id == tenant_id),
            model.state.in_((RunState.QUEUED, RunState.PAUSED, RunState.RUNNING, RunState.PAUSING)),
        )
        .values(
            state=case((idle, RunState.CANCELLED), else_=RunState.CANCELLING),
            finished_at=case((idle, now(session)), else_=None),
        )
        .returning(model.state)
        .execution_options(synchronize_session=False)
    )
    if state is RunState.CANCELLED:
        session.execute(delete(OutboxMessage).where(OutboxMessage.run_id == run_id))
        events.record(session, model, run_id, EventKind.CANCELLED)
    elif state is RunState.CANCELLING:
        events.record(session, model, run_id, EventKind.CANCELLING)
    return state
