"""What a keeper does to deliveries: take those that are due, and write down how their tries ended.

Any number of keepers share the work. To take a delivery is to move its next try to the end of a lease: another keeper
sends it then, if this one has been killed or has lost its database meanwhile. A try counts as made when it is written
down, so that a delivery is sent once or more, and never less.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.orm import Session

from api.db import now
from api.models import Delivery, DeliveryState, Webhook
from api.webhooks import announcements
from api.webhooks.schedule import next_wait
from api.webhooks.types import EventType

MOST_TRIES = 20
"""Number of tries that a delivery remembers."""
GONE = 410
BATCH = 500


@dataclass(frozen=True, slots=True)
class Taken:
    """A delivery that this keeper is to send."""

    id: str
    webhook_id: str
    url: str
    body: str
    secrets: tuple[str, ...]
    failures: int
    tries: tuple[Mapping[str, Any], ...]
    until: datetime
    """End of the lease, which is also the fence: what was written since then is left as it is."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a try ended, as it is kept and shown."""

    shown: Mapping[str, Any]
    """What `api.webhooks.schemas.TryOut` has."""
    status: int | None = None
    """Status of the answer; None if there was none."""
    retry_after: timedelta | None = None

    @property
    def accepted(self) -> bool:
        """Whether the receiver has taken it: with a status of 2xx, and no other."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a delivery is tried, and for how long an endpoint may fail."""

    schedule: tuple[timedelta, ...]
    failing: timedelta


def any_due(session: Session) -> bool:
    """Whether there is anything to take, found without locking anything."""
    due = exists().where(Delivery.state == DeliveryState.WAITING, Delivery.next_try_at <= now(session))
    return bool(session.scalar(select(due)))


def take(
    session: Session, *, limit: int, busy: Mapping[str, int], most_of_one: int, lease: timedelta
) -> list[Taken]:
    """Take up to `limit` deliveries that are due, the most urgent first.

    Args:
        session: Of a transaction.
        limit: How many the keeper can send now.
        busy: Number of deliveries that it is sending already, by endpoint.
        most_of_one: How many it sends to one endpoint at once, so that one that hangs does not hold up the others.
        lease: After this time another keeper may take them.
    """
    at = now(session)
    sending = dict(busy)
    full = [endpoint for endpoint, number in busy.items() if number >= most_of_one]
    due = session.execute(
        select(Delivery, Webhook)
        .join(Webhook, Webhook.id == Delivery.webhook_id)
        .where(Delivery.state == DeliveryState.WAITING, Delivery.next_try_at <= at, Webhook.enabled)
        .where(Delivery.webhook_id.not_in(full))
        .order_by(Delivery.next_try_at)
        .limit(limit)
        .with_for_update(of=Delivery, skip_locked=True)
    )
    taken: list[Taken] = []
    for delivery, endpoint in due:
        if sending.get(endpoint.id, 0) < most_of_one:
            sending[endpoint.id] = sending.get(endpoint.id, 0) + 1
            delivery.next_try_at = at + lease
            taken.append(_taken(delivery, endpoint, at=at, until=at + lease))
    return taken


def _taken(delivery: Delivery, endpoint: Webhook, *, at: datetime, until: datetime) -> Taken:
    secrets = [endpoint.secret]
    if endpoint.former_secret and endpoint.former_until and endpoint.former_until > at:
        secrets.append(endpoint.former_secret)
    return Taken(
        id=delivery.id,
        webhook_id=endpoint.id,
        url=endpoint.url,
        body=delivery.body,
        secrets=tuple(secrets),
        failures=delivery.failures,
        tries=tuple(delivery.tries),
        until=until,
    )


def settle(session: Session, taken: Taken, outcome: Outcome, patience: Patience) -> DeliveryState | None:
    """Write down how a try ended: delivered, given up, or waiting for the next one.

    Returns:
        The new state; None if the lease was over and the delivery has changed.
    """
    at = now(session)
    failures = taken.failures + (not outcome.accepted)
    gone = outcome.status == GONE
    wait = None if gone else next_wait(patience.schedule, failures, retry_after=outcome.retry_after)
    state = DeliveryState.WAITING
    if outcome.accepted:
        state, wait = DeliveryState.DELIVERED, None
    elif wait is None:
        state = DeliveryState.FAILED
    written = session.scalar(
        update(Delivery)
        .where(
            Delivery.id == taken.id,
            Delivery.state == DeliveryState.WAITING,
            Delivery.next_try_at == taken.until,
        )
        .values(
            state=state,
            failures=failures,
            tries=[*taken.tries, outcome.shown][-MOST_TRIES:],
            next_try_at=None if wait is None else at + wait,
        )
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    if written is None:
        return None
    if outcome.accepted:
        _forgive(session, taken.webhook_id)
    elif gone:
        _switch_off(session, taken.webhook_id, "The receiver answered 410 (Gone).", at=at)
    else:
        _blame(session, taken.webhook_id, patience.failing, at=at)
    return state


def release(session: Session, held: Collection[Taken]) -> None:
    """Give up deliveries whose tries were not made, so that they are due at once."""
    at = now(session)
    for taken in held:
        session.execute(
            update(Delivery)
            .where(Delivery.id == taken.id, Delivery.next_try_at == taken.until)
            .values(next_try_at=at)
            .execution_options(synchronize_session=False)
        )


def _forgive(session: Session, webhook_id: str) -> None:
    """Forget that tries have failed. Where none has, nothing is written, so that nobody waits for a row."""
    session.execute(
        update(Webhook)
        .where(Webhook.id == webhook_id, Webhook.failing_since.is_not(None))
        .values(failing_since=None)
        .execution_options(synchronize_session=False)
    )


def _blame(session: Session, webhook_id: str, failing: timedelta, *, at: datetime) -> None:
    """Remember since when tries fail, and switch the endpoint off if that is too long."""
    session.execute(
        update(Webhook)
        .where(Webhook.id == webhook_id, Webhook.failing_since.is_(None))
        .values(failing_since=at)
        .execution_options(synchronize_session=False)
    )
    since = session.scalar(
        select(Webhook.failing_since).where(Webhook.id == webhook_id, Webhook.failing_since < at - failing)
    )
    if since is not None:
        reason = f"Every try has failed since {since.isoformat(timespec='seconds').replace('+00:00', 'Z')}."
        _switch_off(session, webhook_id, reason, at=at)


def _switch_off(session: Session, webhook_id: str, reason: str, *, at: datetime) -> None:
    """Send nothing to an endpoint any more, keep what waits, and tell the other endpoints of its project."""
    endpoint = session.scalar(
        update(Webhook)
        .where(Webhook.id == webhook_id, Webhook.enabled)
        .values(enabled=False, disabled_reason=reason)
        .returning(Webhook)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    if endpoint is None:
        return
    hold(session, webhook_id)
    others = session.execute(
        select(Webhook.id, Webhook.events).where(
            Webhook.tenant_id == endpoint.tenant_id, Webhook.enabled, Webhook.job_id.is_(None)
        )
    )
    told = announcements.of_disabled(endpoint, at=at) | {"tenant_id": endpoint.tenant_id}
    announcements.write(
        session,
        (told | {"webhook_id": id_} for id_, events in others if EventType.WEBHOOK_DISABLED in events),
        at=at,
    )


def hold(session: Session, webhook_id: str) -> None:
    """Keep the deliveries of an endpoint that is switched off from being due."""
    _reschedule(session, webhook_id, None)


def resume(session: Session, webhook_id: str) -> None:
    """Make the deliveries of an endpoint that is switched on again due."""
    _reschedule(session, webhook_id, now(session))


def _reschedule(session: Session, webhook_id: str, next_try_at: datetime | None) -> None:
    session.execute(
        update(Delivery)
        .where(Delivery.webhook_id == webhook_id, Delivery.state == DeliveryState.WAITING)
        .values(next_try_at=next_try_at)
        .execution_options(synchronize_session=False)
    )


def sweep(session: Session, *, retention: timedelta) -> int:
    """Delete deliveries that are old or whose endpoint is gone, at most `BATCH`; return their number."""
    gone = ~exists().where(Webhook.id == Delivery.webhook_id)
    old = Delivery.created_at < now(session) - retention
    ids = session.scalars(
        select(Delivery.id).where(or_(gone, old)).limit(BATCH).with_for_update(skip_locked=True)
    ).all()
    session.execute(delete(Delivery).where(Delivery.id.in_(ids)).execution_options(synchronize_session=False))
    return len(ids)
