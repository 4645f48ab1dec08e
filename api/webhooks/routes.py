"""HTTP routes of webhooks."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Query, Response
from fastapi.concurrency import run_in_threadpool

from api.errors import (
    DeliveryNotFoundError,
    InvalidCursorError,
    InvalidRequestError,
    KeyInUseError,
    KeyReusedError,
    ServiceError,
    TooLargeError,
    TooManyWebhooksError,
    TooSlowError,
    UnsupportedBodyError,
    WebhookDisabledError,
    WebhookNotFoundError,
)
from api.http.auth import Caller, Tenant
from api.http.body import fields_of
from api.http.context import Service
from api.http.openapi import answer, json_body
from api.http.pagination import Cursor, Limit, Page
from api.http.problems import documented
from api.http.spec import as_sent
from api.http.version import Base
from api.idempotency.guard import Key, guarded, respond
from api.idempotency.keys import Answer, digest
from api.models import DeliveryState
from api.webhooks import service
from api.webhooks.schemas import (
    DELIVERED_EXAMPLE,
    SECRET_EXAMPLE,
    WAITING_EXAMPLE,
    WEBHOOK_EXAMPLE,
    DeliveryOut,
    Replay,
    Replayed,
    Rotation,
    WebhookChange,
    WebhookOut,
    WebhookSpec,
    WebhookWithSecret,
)

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/webhooks", tags=["webhooks"])

_BODY_ERRORS: tuple[type[ServiceError], ...] = (
    TooLargeError,
    TooSlowError,
    UnsupportedBodyError,
    InvalidRequestError,
)


@router.post(
    "",
    status_code=201,
    response_model=WebhookWithSecret,
    summary="Create a webhook",
    responses={
        201: answer("The webhook, with its secret.", SECRET_EXAMPLE),
        **documented(*_BODY_ERRORS, TooManyWebhooksError, KeyInUseError, KeyReusedError),
    },
    openapi_extra=json_body(
        WebhookSpec, {"url": "https://hooks.example.com/td3", "events": ["job.succeeded"]}
    ),
)
async def create_webhook(
    spec: Annotated[WebhookSpec, Depends(fields_of(WebhookSpec))],
    context: Service,
    tenant: Tenant,
    caller: Caller,
    base: Base,
    key: Key = None,
) -> Response:
    """Have a URL told of events. Its secret is shown only here, and again under the same `Idempotency-Key`.

    What is sent follows the Standard Webhooks specification. Events of before are not sent, but can be replayed.
    """
    asked = digest(as_sent(spec), caller.id)  # another caller is not shown the secret

    def create() -> Response:
        with context.database.transaction() as session:
            endpoint = service.add(
                session,
                tenant_id=tenant,
                url=spec.url,
                events=spec.events,
                secret=spec.secret,
                policy=context.settings.webhook_policy,
            )
            body = WebhookWithSecret.of(endpoint, base=base)
            given = Answer(201, body.links["self"], body.model_dump(mode="json"))
            guard.keep(session, given, request=asked)
        log.info("webhook.created", webhook=body.id)
        return respond(given)

    async with guarded(context, tenant_id=tenant, route="POST /webhooks", key=key) as guard:
        return guard.replay(asked) or await run_in_threadpool(create)


@router.get(
    "",
    summary="List webhooks",
    responses={
        200: answer("A page of webhooks, newest first.", {"items": [WEBHOOK_EXAMPLE], "next_cursor": None}),
        **documented(InvalidCursorError),
    },
)
def list_webhooks(
    context: Service,
    tenant: Tenant,
    base: Base,
    job_id: Annotated[
        str | None, Query(description="List the webhooks of this job. Default: those of no single job.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[WebhookOut]:
    """List webhooks, newest first: those of the project, or those that a job was submitted with."""
    with context.database.reading() as session:
        page = service.page(session, tenant_id=tenant, job_id=job_id, limit=limit, cursor=cursor)
        return Page.of(page, lambda endpoint: WebhookOut.of(endpoint, base=base))


@router.get(
    "/{webhook_id}",
    summary="Get a webhook",
    responses={200: answer("The webhook.", WEBHOOK_EXAMPLE), **documented(WebhookNotFoundError)},
)
def get_webhook(webhook_id: str, context: Service, tenant: Tenant, base: Base) -> WebhookOut:
    """Get a webhook: what it is told of, and whether its tries fail."""
    with context.database.reading() as session:
        return WebhookOut.of(service.get(session, webhook_id, tenant_id=tenant), base=base)


@router.patch(
    "/{webhook_id}",
    summary="Change a webhook",
    responses={
        200: answer("The webhook.", WEBHOOK_EXAMPLE),
        **documented(WebhookNotFoundError, *_BODY_ERRORS),
    },
    openapi_extra=json_body(WebhookChange, {"enabled": True}, required=False),
)
def change_webhook(
    webhook_id: str,
    change: Annotated[WebhookChange, Depends(fields_of(WebhookChange))],
    context: Service,
    tenant: Tenant,
    base: Base,
) -> WebhookOut:
    """Change the URL of a webhook or its events, or switch it off or on."""
    with context.database.transaction() as session:
        endpoint = service.change(
            session,
            webhook_id,
            tenant_id=tenant,
            policy=context.settings.webhook_policy,
            url=change.url,
            events=change.events,
            enabled=change.enabled,
        )
        return WebhookOut.of(endpoint, base=base)


@router.delete(
    "/{webhook_id}",
    status_code=204,
    summary="Delete a webhook",
    responses={204: {"description": "It is deleted."}, **documented(WebhookNotFoundError)},
)
def delete_webhook(webhook_id: str, context: Service, tenant: Tenant) -> None:
    """Delete a webhook and its deliveries. What is being sent may still arrive."""
    with context.database.transaction() as session:
        service.remove(session, webhook_id, tenant_id=tenant)


@router.post(
    "/{webhook_id}/rotate",
    summary="Change the secret of a webhook",
    responses={
        200: answer("The webhook, with its new secret.", SECRET_EXAMPLE),
        **documented(WebhookNotFoundError, *_BODY_ERRORS),
    },
    openapi_extra=json_body(Rotation, {"overlap_seconds": 3600}, required=False),
)
def rotate_webhook(
    webhook_id: str,
    rotation: Annotated[Rotation, Depends(fields_of(Rotation))],
    context: Service,
    tenant: Tenant,
    base: Base,
) -> WebhookWithSecret:
    """Give a webhook a new secret, which is shown only in this response.

    For a day, or as long as you say, the former one signs as well, so that receivers can be changed one by one.
    """
    with context.database.transaction() as session:
        endpoint = service.rotate(
            session,
            webhook_id,
            tenant_id=tenant,
            secret=rotation.secret,
            overlap=timedelta(seconds=rotation.overlap_seconds),
        )
        return WebhookWithSecret.of(endpoint, base=base)


@router.post(
    "/{webhook_id}/test",
    status_code=202,
    summary="Try out a webhook",
    responses={
        202: answer("The delivery, which is about to be sent.", WAITING_EXAMPLE),
        **documented(WebhookNotFoundError, WebhookDisabledError),
    },
)
def test_webhook(webhook_id: str, context: Service, tenant: Tenant, base: Base) -> DeliveryOut:
    """Send an event of type `webhook.test` to a webhook, whatever events it wants."""
    with context.database.transaction() as session:
        return DeliveryOut.of(service.test(session, webhook_id, tenant_id=tenant), base=base)


@router.post(
    "/{webhook_id}/replay",
    status_code=202,
    response_model=Replayed,
    summary="Replay events",
    responses={
        202: answer("They are about to be sent.", {"deliveries": 12}),
        **documented(WebhookNotFoundError, WebhookDisabledError, *_BODY_ERRORS),
    },
    openapi_extra=json_body(Replay, {"since": "2026-01-15T00:00:00Z"}),
)
def replay_webhook(
    webhook_id: str, replay: Annotated[Replay, Depends(fields_of(Replay))], context: Service, tenant: Tenant
) -> Replayed:
    """Send all events since a moment to a webhook again, and those that it was not told of.

    What was sent before has the same `webhook-id`, by which a receiver knows it.
    """
    with context.database.transaction() as session:
        number = service.replay(session, webhook_id, tenant_id=tenant, since=replay.since, until=replay.until)
    return Replayed(deliveries=number)


@router.get(
    "/{webhook_id}/deliveries",
    summary="List the deliveries of a webhook",
    responses={
        200: answer(
            "A page of deliveries, newest first.", {"items": [DELIVERED_EXAMPLE], "next_cursor": None}
        ),
        **documented(WebhookNotFoundError, InvalidCursorError),
    },
)
def list_deliveries(
    webhook_id: str,
    context: Service,
    tenant: Tenant,
    base: Base,
    state: Annotated[
        Sequence[DeliveryState],
        Query(description="List only deliveries in this state. May be repeated.", examples=[["failed"]]),
    ] = (),
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DeliveryOut]:
    """List the deliveries of a webhook, newest first, each with its last try and the answer to it."""
    with context.database.reading() as session:
        page = service.delivery_page(
            session, webhook_id, tenant_id=tenant, states=state, limit=limit, cursor=cursor
        )
        return Page.of(page, lambda delivery: DeliveryOut.of(delivery, base=base, listed=True))


@router.get(
    "/{webhook_id}/deliveries/{delivery_id}",
    summary="Get a delivery",
    responses={
        200: answer("The delivery.", DELIVERED_EXAMPLE),
        **documented(WebhookNotFoundError, DeliveryNotFoundError),
    },
)
def get_delivery(
    webhook_id: str, delivery_id: str, context: Service, tenant: Tenant, base: Base
) -> DeliveryOut:
    """Get a delivery of a webhook, with its latest tries and their answers."""
    with context.database.reading() as session:
        return DeliveryOut.of(service.delivery(session, webhook_id, delivery_id, tenant_id=tenant), base=base)


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/redeliver",
    status_code=202,
    summary="Send a delivery again",
    responses={
        202: answer("The delivery, which is about to be sent.", WAITING_EXAMPLE),
        **documented(WebhookNotFoundError, DeliveryNotFoundError, WebhookDisabledError),
    },
)
def redeliver(webhook_id: str, delivery_id: str, context: Service, tenant: Tenant, base: Base) -> DeliveryOut:
    """Send a delivery again, whatever became of it: with the same `webhook-id`, and all tries anew."""
    with context.database.transaction() as session:
        again = service.redeliver(session, webhook_id, delivery_id, tenant_id=tenant)
        return DeliveryOut.of(again, base=base)
