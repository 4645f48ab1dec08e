"""The moment by which a run must have ended, counted from its submission: waiting and pauses included."""

from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, lazyload

from api.db import now
from api.models import OutboxMessage, Run, RunState
from api.runs import events
from api.runs.claims import Claim
from api.runs.events import EventKind

BATCH = 500
"""Most runs that one sweep ends; the next one comes soon."""


def deadline_error(state: RunState) -> dict[str, Any]:
    """What a run that missed its deadline fails with."""
    return {"code": "deadline_exceeded", "detail": f"Its deadline came while it was {state}."}


def seconds_left(session: Session, held: Claim) -> float | None:
    """How long the run has, if it has a deadline, by the database's clock."""
    deadline = session.scalar(select(held.model.deadline_at).where(held.model.id == held.run_id))
    return None if deadline is None else (deadline - now(session)).total_seconds()


def sweep_overdue(session: Session, model: type[Run]) -> list[str]:
    """Fail what waits, queued or paused, beyond its deadline; a worker sees to what it runs itself."""
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
