"""The log of a run: what happened to it, in order, and as durable as its state.

An event is written in the transaction that made it happen, after the run's row was written there. That row's lock
lets one such transaction at a time number its events, so they become visible in the order of their numbers: who
has read up to one has missed none before it. And what is refused to an attempt that was given up, its events are
refused with.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, func, insert, literal, or_, select
from sqlalchemy.orm import Session

from api.db import clock
from api.models import Event, Run

RUNS_AT_ONCE = 100
MOST_NEWS = 1000


class EventKind(StrEnum):
    """What can happen to a run."""

    SUBMITTED = "submitted"
    CLAIMED = "claimed"
    STAGE = "stage"
    METRICS = "metrics"
    WARNING = "warning"
    LEASE_EXPIRED = "lease_expired"
    HANDED_BACK = "handed_back"
    CHECKPOINT = "checkpoint"
    RESTORED = "restored"
    """An attempt goes on from a checkpoint."""
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMED = "resumed"
    """A client asked for it to go on."""
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


LAST = frozenset((EventKind.SUCCEEDED, EventKind.FAILED, EventKind.CANCELLED))
"""After one of these nothing can happen."""


def record(session: Session, model: type[Run], run_id: str, kind: EventKind, **data: Any) -> None:
    """Add an event of the run's current attempt; the run must have been written, or locked, before.

    An attempt records what it has to tell by `api.runs.claims.note`, which keeps to its fence.
    """
    last = select(func.max(Event.seq)).where(Event.run_id == run_id).scalar_subquery()
    session.execute(
        insert(Event).from_select(
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
    )


def after(session: Session, run_id: str, seq: int, *, limit: int) -> Sequence[Event]:
    """The run's next events after number `seq`."""
    return session.scalars(
        select(Event).where(Event.run_id == run_id, Event.seq > seq).order_by(Event.seq).limit(limit)
    ).all()


def news(session: Session, seen: Mapping[str, int]) -> Iterator[Event]:
    """The next events of many runs, each after the number that was seen of it; of each run in order."""
    runs = list(seen.items())
    for start in range(0, len(runs), RUNS_AT_ONCE):
        cursors = runs[start : start + RUNS_AT_ONCE]
        unseen = (and_(Event.run_id == run_id, Event.seq > seq) for run_id, seq in cursors)
        yield from session.scalars(
            select(Event).where(or_(*unseen)).order_by(Event.run_id, Event.seq).limit(MOST_NEWS)
        )
