"""Sending past events again, and those that an endpoint was never told of, from the event log of the runs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from api.db import now
from api.errors import InvalidRequestError
from api.models import RUN_KINDS, Delivery, DeliveryState, Event, Run, Webhook
from api.runs.kinds import EventKind
from api.webhooks import announcements
from api.webhooks.types import STATE_AFTER, type_of

MOST = 10_000
"""Maximum number of events of a replay."""
BATCH = 500


def replay(session: Session, endpoint: Webhook, *, since: datetime, until: datetime) -> int:
    """Make the events from `since` up to `until` due that the endpoint wants; return how many there are.

    A delivery that exists keeps its id, by which a receiver recognises what it knows already.

    Raises:
        InvalidRequestError: There are more than `MOST`.
    """
    found = [
        (model, event)
        for model in RUN_KINDS
        for event in _events(session, model, endpoint, since=since, until=until)
    ]
    if len(found) > MOST:
        raise InvalidRequestError(
            f"since: there are more than {MOST} events since then; expected a later moment, or an earlier `until`.",
            errors=[
                {"field": "since", "got": since.isoformat(), "reason": f"more than {MOST} events since then"}
            ],
        )
    for start in range(0, len(found), BATCH):
        _make_due(session, endpoint, found[start : start + BATCH])
    return len(found)


def _events(
    session: Session, model: type[Run], endpoint: Webhook, *, since: datetime, until: datetime
) -> Sequence[Event]:
    wanted = [kind for kind in STATE_AFTER if type_of(model.kind, kind) in endpoint.events]
    query = (
        select(Event)
        .join(model, model.id == Event.run_id)
        .where(
            model.tenant_id == endpoint.tenant_id,
            model.deleted_at.is_(None),
            or_(
                model.finished_at.is_(None), model.finished_at >= since
            ),  # spares a look at the log of older runs
            Event.kind.in_(wanted),
            Event.at >= since,
            Event.at < until,
        )
        .order_by(Event.at)
        .limit(MOST + 1)
    )
    if endpoint.job_id is not None:
        query = query.where(getattr(model, model.job_column) == endpoint.job_id)
    return session.scalars(query).all()


def _make_due(session: Session, endpoint: Webhook, found: Sequence[tuple[type[Run], Event]]) -> None:
    at = now(session)
    known = {
        (run_id, seq): id_
        for id_, run_id, seq in session.execute(
            select(Delivery.id, Delivery.run_id, Delivery.seq).where(
                Delivery.webhook_id == endpoint.id, Delivery.run_id.in_({event.run_id for _, event in found})
            )
        )
    }
    again = [known[event.run_id, event.seq] for _, event in found if (event.run_id, event.seq) in known]
    session.execute(
        update(Delivery)
        .where(Delivery.id.in_(again))
        .values(state=DeliveryState.WAITING, failures=0, next_try_at=at)
        .execution_options(synchronize_session=False)
    )
    own: dict[str, Any] = {"webhook_id": endpoint.id, "tenant_id": endpoint.tenant_id}
    announcements.write(
        session,
        (
            announcements.of_run(model, event.run_id, EventKind(event.kind), seq=event.seq, at=event.at) | own
            for model, event in found
            if (event.run_id, event.seq) not in known
        ),
        at=at,
    )
