"""Webhooks and their deliveries."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from api import ids
from api.models.base import Resource
from api.models.states import DeliveryState


class Webhook(Resource):
    """An endpoint of a client that is told of events. Only `api.webhooks` writes it and its deliveries."""

    __tablename__ = "webhooks"
    __table_args__ = (Index(None, "tenant_id", "id"), Index(None, "tenant_id", "job_id"))

    url: Mapped[str] = mapped_column(Text)
    events: Mapped[list[str]] = mapped_column(JSON)
    """Types of the events that it is told of."""
    job_id: Mapped[str | None] = mapped_column(String(ids.LENGTH))
    """The job that it was submitted with, whose events are its only ones; null: the events of all runs."""
    secret: Mapped[str] = mapped_column(String(120))
    former_secret: Mapped[str | None] = mapped_column(String(120))
    """The secret before the last rotation, which signs as well until `former_until`."""
    former_until: Mapped[datetime | None]
    enabled: Mapped[bool] = mapped_column(default=True)
    disabled_reason: Mapped[str | None] = mapped_column(Text)
    """Why the service switched it off; null if it is on, or a client did."""
    failing_since: Mapped[datetime | None]
    """When the first of the tries failed since one succeeded."""


class Delivery(Resource):
    """One event for one endpoint: what is sent, and the tries so far.

    Runs, events and endpoints are no foreign keys, so that neither the end of a run nor the removal of an endpoint
    waits for the other; the sender removes deliveries whose endpoint is gone.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        Index(None, "webhook_id", "id"),
        Index("uq_deliveries_webhook_id_run_id_seq", "webhook_id", "run_id", "seq", unique=True),
        Index(None, "state", "next_try_at"),
    )

    webhook_id: Mapped[str] = mapped_column(String(ids.LENGTH))
    type: Mapped[str] = mapped_column(String(64))
    run_id: Mapped[str | None] = mapped_column(String(ids.LENGTH))
    seq: Mapped[int | None]
    """Number of the event within its run. Null, as the run, if it tells of none."""
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[DeliveryState] = mapped_column(default=DeliveryState.WAITING)
    failures: Mapped[int] = mapped_column(default=0)
    """Number of tries that failed since it was made, or last asked for."""
    tries: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    """The latest tries, oldest first, as `api.webhooks.schemas.TryOut` shows them."""
    next_try_at: Mapped[datetime | None]
    """When it is sent next. A keeper that sends it sets this to the end of its lease. Null: never."""
