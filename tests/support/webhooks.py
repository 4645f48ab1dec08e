"""Webhooks written as the service writes them, and a sender in a thread of the test process."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import CollectorRegistry
from sqlalchemy import func, select

from api.db import Database
from api.models import DEFAULT_TENANT, Delivery, DeliveryState, Webhook
from api.settings import Settings
from api.webhooks import service
from api.webhooks.addresses import Policy
from api.webhooks.types import DEFAULT, EventType
from worker.metrics import KeeperMetrics
from worker.webhooks import send

LOOPBACK = Policy(loopback=True)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def add_webhook(
    database: Database,
    url: str = "http://127.0.0.1:9/",
    *,
    events: Sequence[EventType] = DEFAULT,
    tenant_id: str = DEFAULT_TENANT,
    job_id: str | None = None,
) -> str:
    """Write a webhook with a known secret, and return its id."""
    with database.transaction() as session:
        return service.add(
            session,
            tenant_id=tenant_id,
            url=url,
            events=events,
            secret=SECRET,
            policy=LOOPBACK,
            job_id=job_id,
        ).id


def due_delivery(database: Database, webhook_id: str) -> str:
    """Write a delivery that is due, and return its id."""
    with database.transaction() as session:
        return service.test(session, webhook_id, tenant_id=DEFAULT_TENANT).id


def webhook(database: Database, webhook_id: str) -> Webhook:
    """The row as it is now."""
    with database.reading() as session:
        return session.get_one(Webhook, webhook_id)


def delivery(database: Database, delivery_id: str) -> Delivery:
    """The row as it is now."""
    with database.reading() as session:
        return session.get_one(Delivery, delivery_id)


def deliveries(database: Database) -> list[Delivery]:
    """All of them, oldest first."""
    with database.reading() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))


def number_of(database: Database, state: DeliveryState) -> int:
    """How many deliveries are in this state."""
    with database.reading() as session:
        return session.scalar(select(func.count()).where(Delivery.state == state)) or 0


def hasty(settings: Settings, *, schedule: str = "0,0.05,0.05", timeout: float = 10) -> Settings:
    """The same, with webhooks to this machine that are tried again at once."""
    return settings.model_copy(
        update={
            "webhook_loopback": True,
            "webhook_schedule": schedule,
            "webhook_timeout_seconds": timeout,
            "sweep_seconds": 0.05,
        }
    )


@contextmanager
def sending(database: Database, settings: Settings) -> Iterator[KeeperMetrics]:
    """Send what is due until the block ends, as keepers do."""
    stop = threading.Event()
    metrics = KeeperMetrics(CollectorRegistry())
    thread = threading.Thread(target=send, args=(database, settings, metrics, stop))
    thread.start()
    try:
        yield metrics
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()
