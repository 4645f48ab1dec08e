"""The event log of a run: durable, in order, and written together with the state of the run.

An event is written in the same transaction as the change that it describes, after the row of the run was written or
locked. This lock allows only one transaction at a time to number events, so that they become visible in the order of
their numbers: a reader that has seen one event has missed none before it. If the writes of an attempt are rejected, so
are its events.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, func, insert, literal, or_, select
from sqlalchemy.orm import Session

from api.db import clock
from api.models import Event, Run
from api.runs.kinds import LAST, EventKind
from api.webhooks import announcements

__all__ = ["LAST", "EventKind", "after", "news", "record"]

RUNS_AT_ONCE = 100
MOST_NEWS = 1000


def record(session: Session, model: type[Run], run_id: str, kind: EventKind, **data: Any) -> None:
    """Add an event of the current attempt, and what webhooks are told of it.

    The row of the run must have been written or locked before.

    An attempt itself records events with `api.runs.claims.record`, which checks its claim.
    """
    last = select(func.max(Event.seq)).where(Event.run_id == run_id).scalar_subquery()
    recorded = session.execute(
        insert(Event)
        .from_select(
            ["run_id", "seq", "at", "attempt", "kind", "data"],
            select(
                model.id,
                func.coalesce(last, 0) + 1,
                clock(session),
                model.attempt,
                literal(kind, Event.kind.type),
                literal(data, Event.data.type),
            ).where(model.id == run_id),
        )
        .returning(Event.seq, Event.at)
    ).one_or_none()
    if recorded is not None:
        announcements.announce(session, model, run_id, kind, seq=recorded.seq, at=recorded.at)


def after(session: Session, run_id: str, seq: int, *, limit: int) -> Sequence[Event]:
    """Return the next events of the run after number `seq`."""
    return session.scalars(
        select(Event).where(Event.run_id == run_id, Event.seq > seq).order_by(Event.seq).limit(limit)
    ).all()


def news(session: Session, seen: Mapping[str, int]) -> Iterator[Event]:
    """Yield the next events of many runs, each after the last number seen, in order for each run."""
    runs = list(seen.items())
    for start in range(0, len(runs), RUNS_AT_ONCE):
        cursors = runs[start : start + RUNS_AT_ONCE]
        unseen = (and_(Event.run_id == run_id, Event.seq > seq) for run_id, seq in cursors)
        yield from session.scalars(
            select(Event).where(or_(*unseen)).order_by(Event.run_id, Event.seq).limit(MOST_NEWS)
        )
