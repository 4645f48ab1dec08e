"""Deadlines of runs, which are counted from the submission and include waiting and pauses."""

from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, lazyload

from api.db import now
from api.models import OutboxMessage, Run, RunState
from api.runs import events
from api.runs.events import EventKind

BATCH = 500
"""Maximum number of runs that one sweep ends."""


def deadline_error(state: RunState) -> dict[str, Any]:
    """The error of a run that missed its deadline."""
    return {"code": "deadline_exceeded", "detail": f"The run missed its deadline; it was still {state}."}


def sweep_overdue(session: Session, model: type[Run]) -> list[str]:
    """Fail queued and paused runs that missed their deadline. A worker checks the deadline of its own run."""
    overdue = session.scalars(
        select(model)
        .where(model.state.in_((RunState.QUEUED, RunState.PAUSED)), model.deadline_at < now(session))
        .limit(BATCH)
        .options(lazyload("*"))
        .with_for_update(skip_locked=True)
    ).all()
    for run in overdue:
        error = deadline_error(run.state)
        session.execute(
            update(model)
            .where(model.id == run.id)
            .values(state=RunState.FAILED, finished_at=now(session), error=error)
            .execution_options(synchronize_session=False)
        )
        session.execute(delete(OutboxMessage).where(OutboxMessage.run_id == run.id))
        events.record(session, model, run.id, EventKind.FAILED, error=error)
    return [run.id for run in overdue]
