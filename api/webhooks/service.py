"""Operations on webhooks."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from api.audit import service as audit
from api.audit.service import Action
from api.db import now, one_at_a_time
from api.errors import (
    DeliveryNotFoundError,
    InvalidRequestError,
    TooManyWebhooksError,
    WebhookDisabledError,
    WebhookNotFoundError,
)
from api.ids import new_id
from api.models import Delivery, DeliveryState, Evaluation, Job, Webhook
from api.pages import RowPage, page_of
from api.webhooks import announcements, deliveries, replays
from api.webhooks.addresses import NotAllowedError, Policy, literal_addresses, target_of
from api.webhooks.signing import new_secret
from api.webhooks.types import TEST, EventType

EVER = datetime(1970, 1, 1, tzinfo=UTC)
OVERLAP = timedelta(days=1)
"""How long a former secret signs as well, unless something else is said."""
MOST = 50
"""Maximum number of webhooks of a project, without those of single jobs; and of one job."""


def add(
    session: Session,
    *,
    tenant_id: str,
    url: str,
    events: Sequence[EventType],
    secret: str | None,
    policy: Policy,
    job_id: str | None = None,
) -> Webhook:
    """Register an endpoint; without a secret it gets a random one.

    Raises:
        InvalidRequestError: The URL has an address to which webhooks may not be sent.
        TooManyWebhooksError: The project, or the job, has as many as it can.
    """
    check_address(url, policy)
    one_at_a_time(session, f"{job_id or tenant_id} webhooks")
    if (session.scalar(_those_of(tenant_id, job_id).with_only_columns(func.count())) or 0) >= MOST:
        owner = "project" if job_id is None else f"job {job_id}"
        raise TooManyWebhooksError(f"The {owner} has {MOST} webhooks already, the maximum.")
    endpoint = Webhook(
        id=new_id("hook"),
        tenant_id=tenant_id,
        created_at=now(session),
        url=url,
        events=list(events),
        job_id=job_id,
        secret=secret or new_secret(),
    )
    session.add(endpoint)
    session.flush()
    audit.record(
        session,
        Action.WEBHOOK_CREATED,
        endpoint.id,
        tenant_id=tenant_id,
        after={**_settings(endpoint), "job_id": job_id},
    )
    return endpoint


def attach(
    session: Session,
    job_id: str,
    *,
    tenant_id: str,
    url: str,
    events: Sequence[EventType],
    secret: str | None,
    policy: Policy,
) -> Webhook:
    """Register an endpoint for one job, and tell it of what has happened to the job already.

    One that the job has for this URL and these events is taken again, so that a job that is submitted often keeps one.
    Without a secret it gets a new one, as in a rotation: who asks need not know the one that it has.

    Raises:
        InvalidRequestError, TooManyWebhooksError: As for `add`.
    """
    # Its events wait meanwhile, so that each is either told again here or announced to the endpoint.
    session.execute(select(Job.id).where(Job.id == job_id).with_for_update())
    of_job = select(Evaluation.id).where(Evaluation.job_id == job_id).order_by(Evaluation.id)
    session.execute(of_job.with_for_update())
    same = (row for row in session.scalars(_those_of(tenant_id, job_id)) if _takes(row, url, events, secret))
    if endpoint := next(same, None):
        check_address(url, policy)
        if secret is None:
            rotate(session, endpoint.id, tenant_id=tenant_id, secret=None, overlap=OVERLAP)
    else:
        endpoint = add(
            session, tenant_id=tenant_id, url=url, events=events, secret=secret, policy=policy, job_id=job_id
        )
    replays.replay(session, endpoint, since=EVER, until=now(session) + timedelta(days=1))
    return endpoint


def _takes(endpoint: Webhook, url: str, events: Sequence[EventType], secret: str | None) -> bool:
    """Whether the endpoint is told what one with these settings would be."""
    same = endpoint.enabled and endpoint.url == url and set(endpoint.events) == set(events)
    return same and secret in (None, endpoint.secret)


def _those_of(tenant_id: str, job_id: str | None) -> Select[Webhook]:
    """The webhooks of a job, or those of the whole project."""
    owned = Webhook.job_id.is_(None) if job_id is None else Webhook.job_id == job_id
    return select(Webhook).where(Webhook.tenant_id == tenant_id, owned)


def _settings(endpoint: Webhook) -> dict[str, Any]:
    """What clients can change of a webhook, without its secret."""
    return {"url": endpoint.url, "events": endpoint.events, "enabled": endpoint.enabled}


def check_address(url: str, policy: Policy, *, field: str = "url") -> None:
    """Check a URL that has an address in place of a name. Names are looked up, and checked, when they are used.

    Raises:
        InvalidRequestError: Webhooks may not be sent there.
    """
    host = target_of(url).host
    try:
        if found := literal_addresses(host):
            policy.choose(host, found)
    except NotAllowedError as error:
        raise InvalidRequestError(
            f"{field}: {error}.", errors=[{"field": field, "got": url, "reason": str(error)}]
        ) from None


def get(session: Session, webhook_id: str, *, tenant_id: str, lock: bool = False) -> Webhook:
    """Find a webhook of this tenant, and lock its row if it is to be changed.

    Raises:
        WebhookNotFoundError: It does not exist.
    """
    query = select(Webhook).where(Webhook.id == webhook_id, Webhook.tenant_id == tenant_id)
    endpoint = session.scalar(query.with_for_update() if lock else query)
    if endpoint is None:
        raise WebhookNotFoundError(f"The webhook {webhook_id} does not exist.")
    return endpoint


def page(
    session: Session, *, tenant_id: str, job_id: str | None, limit: int, cursor: str | None
) -> RowPage[Webhook]:
    """List the webhooks of a job, or those of this tenant that are of no single job, newest first."""
    return page_of(session, _those_of(tenant_id, job_id), Webhook, limit=limit, cursor=cursor)


def change(
    session: Session,
    webhook_id: str,
    *,
    tenant_id: str,
    policy: Policy,
    url: str | None = None,
    events: Sequence[EventType] | None = None,
    enabled: bool | None = None,
) -> Webhook:
    """Change what is given. What waits at an endpoint that is switched on again is sent at once.

    Raises:
        WebhookNotFoundError: It does not exist.
        InvalidRequestError: The URL has an address to which webhooks may not be sent.
    """
    endpoint = get(session, webhook_id, tenant_id=tenant_id, lock=True)
    before = _settings(endpoint)
    if url is not None:
        check_address(url, policy)
        endpoint.url = url
    if events is not None:
        endpoint.events = list(events)
    if enabled is not None and enabled != endpoint.enabled:
        endpoint.enabled, endpoint.disabled_reason, endpoint.failing_since = enabled, None, None
        session.flush()
        (deliveries.resume if enabled else deliveries.hold)(session, endpoint.id)
    if (after := _settings(endpoint)) != before:
        audit.record(
            session, Action.WEBHOOK_CHANGED, webhook_id, tenant_id=tenant_id, before=before, after=after
        )
    return endpoint


def remove(session: Session, webhook_id: str, *, tenant_id: str) -> None:
    """Remove a webhook. A keeper removes its deliveries later.

    Raises:
        WebhookNotFoundError: It does not exist.
    """
    endpoint = get(session, webhook_id, tenant_id=tenant_id, lock=True)
    audit.record(session, Action.WEBHOOK_REMOVED, webhook_id, tenant_id=tenant_id, before=_settings(endpoint))
    session.delete(endpoint)


def rotate(
    session: Session, webhook_id: str, *, tenant_id: str, secret: str | None, overlap: timedelta
) -> Webhook:
    """Give a webhook a new secret; the one that it had signs as well until the overlap is over.

    Raises:
        WebhookNotFoundError: It does not exist.
    """
    endpoint = get(session, webhook_id, tenant_id=tenant_id, lock=True)
    endpoint.former_secret, endpoint.former_until = endpoint.secret, now(session) + overlap
    endpoint.secret = secret or new_secret()
    audit.record(session, Action.WEBHOOK_ROTATED, webhook_id, tenant_id=tenant_id)
    return endpoint


def test(session: Session, webhook_id: str, *, tenant_id: str) -> Delivery:
    """Write a delivery that tells of nothing, to try the endpoint out.

    Raises:
        WebhookNotFoundError: It does not exist.
        WebhookDisabledError: It is switched off.
    """
    endpoint = _enabled(session, webhook_id, tenant_id=tenant_id)
    at = now(session)
    data = {"id": endpoint.id, "links": {"self": f"/v1/webhooks/{endpoint.id}"}}
    row = announcements.message(TEST, data, at=at) | {"webhook_id": endpoint.id, "tenant_id": tenant_id}
    (delivery_id,) = announcements.write(session, [row], at=at)
    return session.get_one(Delivery, delivery_id)


def delivery_page(
    session: Session,
    webhook_id: str,
    *,
    tenant_id: str,
    states: Sequence[DeliveryState],
    limit: int,
    cursor: str | None,
) -> RowPage[Delivery]:
    """List the deliveries of a webhook, newest first; if `states` are given, only those in one of them.

    Raises:
        WebhookNotFoundError: It does not exist.
    """
    endpoint = get(session, webhook_id, tenant_id=tenant_id)
    query = select(Delivery).where(Delivery.tenant_id == tenant_id, Delivery.webhook_id == endpoint.id)
    if states:
        query = query.where(Delivery.state.in_(states))
    return page_of(session, query, Delivery, limit=limit, cursor=cursor)


def delivery(session: Session, webhook_id: str, delivery_id: str, *, tenant_id: str) -> Delivery:
    """Find a delivery of a webhook.

    Raises:
        WebhookNotFoundError, DeliveryNotFoundError: One of them does not exist.
    """
    endpoint = get(session, webhook_id, tenant_id=tenant_id)
    found = session.scalar(
        select(Delivery).where(Delivery.id == delivery_id, Delivery.webhook_id == endpoint.id)
    )
    if found is None:
        raise DeliveryNotFoundError(f"The delivery {delivery_id} does not exist.")
    return found


def redeliver(session: Session, webhook_id: str, delivery_id: str, *, tenant_id: str) -> Delivery:
    """Send a delivery again, whatever became of it, with the whole schedule of tries.

    Raises:
        WebhookNotFoundError, DeliveryNotFoundError: One of them does not exist.
        WebhookDisabledError: The webhook is switched off.
    """
    _enabled(session, webhook_id, tenant_id=tenant_id)
    again = delivery(session, webhook_id, delivery_id, tenant_id=tenant_id)
    again.state, again.failures, again.next_try_at = DeliveryState.WAITING, 0, now(session)
    return again


def replay(
    session: Session, webhook_id: str, *, tenant_id: str, since: datetime, until: datetime | None
) -> int:
    """Send again what the webhook wants of the events since a moment, and what it was not told of; return how many.

    Raises:
        WebhookNotFoundError: It does not exist.
        WebhookDisabledError: It is switched off.
        InvalidRequestError: There are more events than one request can replay.
    """
    endpoint = _enabled(session, webhook_id, tenant_id=tenant_id)
    one_at_a_time(session, f"{endpoint.id} replay")
    return replays.replay(session, endpoint, since=since, until=until or now(session))


def _enabled(session: Session, webhook_id: str, *, tenant_id: str) -> Webhook:
    endpoint = get(session, webhook_id, tenant_id=tenant_id)
    if not endpoint.enabled:
        raise WebhookDisabledError(f"The webhook {webhook_id} is switched off.")
    return endpoint
