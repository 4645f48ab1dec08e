"""Making room: where a run of a higher class waits and every worker is busy, one of a lower class yields.

It does so at its next step, by what pauses use: it keeps a checkpoint and goes back to the queue, from where it goes on
later to the same end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from api.db import now, one_at_a_time
from api.models import HELD, RUN_KINDS, Priority, Run, RunState, Worker
from api.runs.turns import is_queued


@dataclass(frozen=True, slots=True)
class _Held:
    """A run that a worker holds."""

    model: type[Run]
    run_id: str
    state: RunState
    priority: Priority
    claimed_at: datetime | None
    worker: str | None
    yields: bool


def make_room(session: Session, *, silent_after: timedelta, begun_before: timedelta) -> list[str]:
    """Ask as many runs to yield as there are waiting runs of higher classes that no worker is free for.

    Those of the lowest class are asked first, and among them those that have been begun last, which have least to lose.

    Args:
        session: A transaction.
        silent_after: A worker without a heartbeat for so long does not count.
        begun_before: A run is left alone for so long after it was begun or continued, so that it gets on.

    Returns:
        The ids of the runs that were asked.
    """
    one_at_a_time(session, "preemption")
    held = list(_held(session))
    lower = [run for run in held if run.priority is not Priority.HIGH]
    if not lower:
        return []
    at = now(session)
    makes_room = sum(run.yields for run in held)
    waiting = _waiting(session, most=len(lower) + makes_room)
    room = _free_workers(session, held, at - silent_after) + makes_room if waiting else 0
    settled = [run for run in lower if _may_be_asked(run, at - begun_before)]
    settled.sort(key=lambda run: (run.priority.rank, run.claimed_at or at), reverse=True)
    asked: list[str] = []
    for priority, run in zip(waiting[room:], settled, strict=False):
        if run.priority.rank <= priority.rank:
            break
        session.execute(
            update(run.model)
            .where(run.model.id == run.run_id, run.model.state == RunState.RUNNING)
            .values(yields=True)
            .execution_options(synchronize_session=False)
        )
        asked.append(run.run_id)
    return asked


def _held(session: Session) -> Iterator[_Held]:
    for model in RUN_KINDS:
        columns = (model.id, model.state, model.priority, model.claimed_at, model.worker, model.yields)
        for row in session.execute(select(*columns).where(model.state.in_(HELD))):
            yield _Held(model, *row)


def _may_be_asked(run: _Held, since: datetime) -> bool:
    begun = run.claimed_at is not None and run.claimed_at <= since
    return begun and run.state is RunState.RUNNING and not run.yields


def _waiting(session: Session, *, most: int) -> list[Priority]:
    """Return the classes of the queued runs that go first, at most so many, the highest first."""
    found: list[Priority] = []
    for priority in (Priority.HIGH, Priority.NORMAL):
        for model in RUN_KINDS:
            queued = select(model.id).where(is_queued(model), model.priority == priority).limit(most)
            number = session.scalar(select(func.count()).select_from(queued.subquery())) or 0
            found += [priority] * number
    return found[:most]


def _free_workers(session: Session, held: list[_Held], seen_since: datetime) -> int:
    alive = session.scalars(
        select(Worker.id).where(Worker.stopped_at.is_(None), Worker.seen_at >= seen_since)
    )
    return len(set(alive) - {run.worker for run in held})
