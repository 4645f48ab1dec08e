"""Writing what endpoints are to be told, in the transaction of the event.

A delivery exists if and only if its event does: neither a crash nor an unavailable receiver loses it. Keepers send it
after the commit.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, insert, or_, select
from sqlalchemy.orm import Session

from api.ids import new_id
from api.models import Delivery, Run, Webhook
from api.runs.kinds import EventKind
from api.webhooks.types import STATE_AFTER, EventType, type_of

Row = dict[str, Any]


def announce(
    session: Session, model: type[Run], run_id: str, kind: EventKind, *, seq: int, at: datetime
) -> None:
    """Write the deliveries of an event of a run, one for each endpoint that wants it."""
    event_type = type_of(model.kind, kind)
    if event_type is None:
        return
    endpoints = session.execute(
        select(Webhook.id, Webhook.tenant_id, Webhook.events)
        .join(model, concerns(model))
        .where(model.id == run_id, Webhook.enabled)
    )
    write(
        session,
        (
            of_run(model, run_id, kind, seq=seq, at=at) | {"webhook_id": id_, "tenant_id": tenant_id}
            for id_, tenant_id, events in endpoints
            if event_type in events
        ),
        at=at,
    )


def concerns(model: type[Run]) -> ColumnElement[bool]:
    """Whether an endpoint is one for this run: of the same project, and of all runs or of its job."""
    return and_(
        Webhook.tenant_id == model.tenant_id,
        or_(Webhook.job_id.is_(None), Webhook.job_id == getattr(model, model.job_column)),
    )


def of_run(model: type[Run], run_id: str, kind: EventKind, *, seq: int, at: datetime) -> Row:
    """What a delivery tells of an event of a run: no results and nothing of the log, but where to find them."""
    here = f"/v1/{model.kind}s/{run_id}"
    data = {"id": run_id, "state": STATE_AFTER[kind], "links": {"self": here, "events": f"{here}/events"}}
    return message(f"{model.kind}.{kind}", data, at=at) | {"run_id": run_id, "seq": seq}


def of_disabled(endpoint: Webhook, *, at: datetime) -> Row:
    """What a delivery tells of an endpoint that was switched off."""
    data = {
        "id": endpoint.id,
        "enabled": False,
        "reason": endpoint.disabled_reason,
        "links": {"self": f"/v1/webhooks/{endpoint.id}"},
    }
    return message(EventType.WEBHOOK_DISABLED, data, at=at)


def message(event_type: str, data: Mapping[str, Any], *, at: datetime) -> Row:
    """Type and body of a delivery; the body is written once, so that all tries send the same."""
    body = {"type": event_type, "timestamp": at.isoformat().replace("+00:00", "Z"), "data": data}
    return {"type": event_type, "body": json.dumps(body, separators=(",", ":"))}


def write(session: Session, rows: Iterable[Row], *, at: datetime) -> list[str]:
    """Write deliveries that are due at once, and return their ids."""
    new = [{"run_id": None, "seq": None, **row, "id": new_id("msg")} for row in rows]
    if new:
        session.execute(insert(Delivery), [{"created_at": at, "next_try_at": at, **row} for row in new])
    return [row["id"] for row in new]
