"""What becomes of runs whose worker vanished. Idempotent: two sweeps at once do no harm."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, update
from sqlalchemy.orm import Session

from api import outbox
from api.db import now
from api.models import Run, RunState
from api.runs.claims import FRESH


@dataclass(frozen=True, slots=True)
class Swept:
    """Ids of the runs that one sweep moved on."""

    cancelled: tuple[str, ...]
    failed: tuple[str, ...]
    requeued: tuple[str, ...]


def sweep_expired(session: Session, model: type[Run], *, max_attempts: int) -> Swept:
    """End what was to be cancelled anyway or vanished too often, and queue the rest again."""
    at = now(session)
    expired = model.lease_expires_at < at
    running = and_(model.state == RunState.RUNNING, expired)
    exhausted = model.crashes + 1 >= max_attempts
    error = {
        "code": "worker_lost",
        "detail": f"Given up: {max_attempts} workers vanished while they ran it. The usual causes are memory "
        "that ran out, a killed process, or a machine that was cut off; their logs tell which.",
    }
    return Swept(
        cancelled=_move(
            session,
            model,
            and_(model.state == RunState.CANCELLING, expired),
            state=RunState.CANCELLED,
            finished_at=at,
            eta_seconds=None,
        ),
        failed=_move(
            session,
            model,
            and_(running, exhausted),
            state=RunState.FAILED,
            finished_at=at,
            eta_seconds=None,
            crashes=model.crashes + 1,
            error=error,
        ),
        requeued=_requeue(session, model, and_(running, ~exhausted)),
    )


def _requeue(session: Session, model: type[Run], abandoned: ColumnElement[bool]) -> tuple[str, ...]:
    run_ids = _move(session, model, abandoned, state=RunState.QUEUED, crashes=model.crashes + 1, **FRESH)
    for run_id in run_ids:
        outbox.add(session, model, run_id)
    return run_ids


def _move(
    session: Session, model: type[Run], condition: ColumnElement[bool], **values: object
) -> tuple[str, ...]:
    moved = session.scalars(
        update(model)
        .where(condition)
        .values(lease_expires_at=None, **values)
        .returning(model.id)
        .execution_options(synchronize_session=False)
    )
    return tuple(moved)
