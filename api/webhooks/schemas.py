"""Request and response models of webhooks."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.models import Delivery, DeliveryState, Webhook
from api.moments import Moment
from api.webhooks.addresses import LONGEST_URL, target_of
from api.webhooks.signing import key_of
from api.webhooks.types import DEFAULT, EventType
from td3core.config.faults import FieldError

WEBHOOK_ID = "hook_0199b2f0c3d47c7e9c3d7d3b8c9f1a2c"
DELIVERY_ID = "msg_0199b2f4d1e27a3f8b4c9e0a7d6f5b3c"
JOB_ID = "job_0199b2f0c3d47c7e9c3d7d3b8c9f1a2b"
DAY = 86_400


def _url(url: str) -> str:
    try:
        target_of(url)
    except ValueError as error:
        shown = "a URL with a password" if "@" in url else url
        raise FieldError(shown, expected=str(error).removeprefix("expected ")) from None
    return url


def _secret(secret: str) -> str:
    try:
        key_of(secret)
    except ValueError as error:
        raise FieldError("a text", expected=str(error).removeprefix("expected ")) from None
    return secret


def _distinct(events: Sequence[EventType]) -> list[EventType]:
    return list(dict.fromkeys(events))


Url = Annotated[str, Field(max_length=LONGEST_URL), AfterValidator(_url)]
Secret = Annotated[str, AfterValidator(_secret)]
Events = Annotated[list[EventType], Field(min_length=1, max_length=100), AfterValidator(_distinct)]


class WebhookSpec(BaseModel):
    """An endpoint that is to be told of events."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: Url = Field(
        description="URL that events are sent to, `http://` or `https://`, without a user.",
        examples=["https://hooks.example.com/td3"],
    )
    events: Events = Field(
        default=list(DEFAULT),
        description="Types of the events that it is told of. Default: all ends of runs.",
    )
    secret: Secret | None = Field(
        default=None,
        description="Secret that signs what is sent: `whsec_` and 24 to 64 bytes in base64. Default: a random one.",
    )


class WebhookChange(BaseModel):
    """What to change of a webhook; what is null or left out stays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: Url | None = Field(default=None, description="URL that events are sent to.")
    events: Events | None = Field(default=None, description="Types of the events that it is told of.")
    enabled: bool | None = Field(
        default=None,
        description="Whether anything is sent. What waits while it is off is sent when it is on again; later events "
        "are not sent to it, unless they are replayed.",
    )


class Rotation(BaseModel):
    """How to change the secret of a webhook."""

    model_config = ConfigDict(extra="forbid", strict=True)

    secret: Secret | None = Field(default=None, description="The new secret. Default: a random one.")
    overlap_seconds: float = Field(
        default=DAY,
        ge=0,
        le=30 * DAY,
        allow_inf_nan=False,
        description="Seconds for which the secret that it has now signs as well.",
    )


class Replay(BaseModel):
    """Which events to send again."""

    model_config = ConfigDict(extra="forbid", strict=True)

    since: Moment = Field(
        description="Moment from which on events are sent again, with a time zone.",
        examples=["2026-01-15T00:00:00Z"],
    )
    until: Moment | None = Field(
        default=None, description="Moment of the first event that is not sent again. Default: now."
    )


class WebhookOut(BaseModel):
    """An endpoint that is told of events."""

    id: str = Field(description="Id of the webhook.")
    url: str = Field(description="URL that events are sent to.")
    events: list[str] = Field(
        description="Types of the events that it is told of; later versions may add types.",
        examples=[["job.succeeded"]],
    )
    job_id: str | None = Field(
        description="The job whose events are its only ones, with those of its evaluations. Null: all runs."
    )
    enabled: bool = Field(description="Whether anything is sent.")
    disabled_reason: str | None = Field(
        description="Why the service has switched it off: its tries have failed for days, or it answered 410. Null if "
        "it is on, or if a client has switched it off."
    )
    failing_since: datetime | None = Field(
        description="Since when every try has failed; null if the last did not."
    )
    secret_hint: str = Field(description="The last four characters of the secret.", examples=["c2k="])
    former_secret_until: datetime | None = Field(
        description="Until when the secret before the last rotation signs as well."
    )
    created_at: datetime = Field(description="When it was created.")
    links: dict[str, str] = Field(description="Paths of what can be done with it.")

    @classmethod
    def of(cls, endpoint: Webhook, *, base: str) -> "WebhookOut":
        """Build from a database row."""
        return cls(**_fields(endpoint, base=base))


class WebhookWithSecret(WebhookOut):
    """A webhook with its new secret, which is not shown again."""

    secret: str = Field(description="The secret that signs what is sent; it is shown only here.")

    @classmethod
    def of(cls, endpoint: Webhook, *, base: str) -> "WebhookWithSecret":
        """Build from a database row."""
        return cls(**_fields(endpoint, base=base), secret=endpoint.secret)


def _fields(endpoint: Webhook, *, base: str) -> dict[str, Any]:
    here = f"{base}/webhooks/{endpoint.id}"
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "events": endpoint.events,
        "job_id": endpoint.job_id,
        "enabled": endpoint.enabled,
        "disabled_reason": endpoint.disabled_reason,
        "failing_since": endpoint.failing_since,
        "secret_hint": endpoint.secret[-4:],
        "former_secret_until": endpoint.former_until,
        "created_at": endpoint.created_at,
        "links": {"self": here}
        | {name: f"{here}/{name}" for name in ("deliveries", "test", "rotate", "replay")},
    }


class TryOut(BaseModel):
    """One request that was sent, and its answer."""

    at: datetime = Field(description="When it was sent.")
    url: str = Field(description="URL that it was sent to.")
    seconds: float = Field(description="How long it took, in seconds.", examples=[0.084])
    status: int | None = Field(description="Status of the answer; null if there was none.", examples=[204])
    headers: dict[str, str] | None = Field(description="The first headers of the answer.")
    body: str | None = Field(description="The beginning of the body of the answer.")
    error: str | None = Field(description="Why there was no answer; null if there was one.")


class DeliveryOut(BaseModel):
    """One event for one webhook, and the tries to deliver it."""

    id: str = Field(description="Id of the delivery, which each try sends as `webhook-id`.")
    webhook_id: str = Field(description="The webhook.")
    type: str = Field(description="Type of the event.", examples=["job.succeeded"])
    run_id: str | None = Field(description="The run that it tells of; null if it tells of none.")
    state: DeliveryState = Field(
        description="Whether it waits for a try, was delivered, or has failed for good."
    )
    failures: int = Field(
        description="Number of tries that have failed since it was made, or last sent again."
    )
    created_at: datetime = Field(description="When it was made.")
    next_try_at: datetime | None = Field(
        description="When it is tried next, or, while it is sent, taken over by another process. Null: not any more, "
        "or not before the webhook is on."
    )
    payload: dict[str, Any] = Field(description="What is sent.")
    tries: list[TryOut] = Field(description="The latest tries, oldest first; in a list only the last one.")
    links: dict[str, str] = Field(description="Paths of what can be done with it.")

    @classmethod
    def of(cls, delivery: Delivery, *, base: str, listed: bool = False) -> "DeliveryOut":
        """Build from a database row; a list shows the last try alone, so that no page of it becomes large."""
        here = f"{base}/webhooks/{delivery.webhook_id}/deliveries/{delivery.id}"
        return cls(
            id=delivery.id,
            webhook_id=delivery.webhook_id,
            type=delivery.type,
            run_id=delivery.run_id,
            state=delivery.state,
            failures=delivery.failures,
            created_at=delivery.created_at,
            next_try_at=delivery.next_try_at,
            payload=json.loads(delivery.body),
            tries=[TryOut.model_validate(made) for made in delivery.tries[-1 if listed else 0 :]],
            links={"self": here, "redeliver": f"{here}/redeliver"},
        )


class Replayed(BaseModel):
    """What a replay has made due."""

    deliveries: int = Field(
        description="Number of events that are sent again, or for the first time.", examples=[12]
    )


WEBHOOK_EXAMPLE: dict[str, Any] = {
    "id": WEBHOOK_ID,
    "url": "https://hooks.example.com/td3",
    "events": ["job.succeeded", "job.failed"],
    "job_id": None,
    "enabled": True,
    "disabled_reason": None,
    "failing_since": None,
    "secret_hint": "LA==",
    "former_secret_until": None,
    "created_at": "2026-01-15T09:00:00Z",
    "links": {"self": f"/v1/webhooks/{WEBHOOK_ID}"}
    | {name: f"/v1/webhooks/{WEBHOOK_ID}/{name}" for name in ("deliveries", "test", "rotate", "replay")},
}
SECRET_EXAMPLE = WEBHOOK_EXAMPLE | {"secret": "whsec_ZXhhbXBsZS1zZWNyZXQtb2YtMzItYnl0ZXMtLS0tLA=="}
WAITING_EXAMPLE: dict[str, Any] = {
    "id": DELIVERY_ID,
    "webhook_id": WEBHOOK_ID,
    "type": "job.succeeded",
    "run_id": JOB_ID,
    "state": DeliveryState.WAITING,
    "failures": 0,
    "created_at": "2026-01-15T09:34:10Z",
    "next_try_at": "2026-01-15T09:34:10Z",
    "payload": {
        "type": "job.succeeded",
        "timestamp": "2026-01-15T09:34:10Z",
        "data": {
            "id": JOB_ID,
            "state": "succeeded",
            "links": {"self": f"/v1/jobs/{JOB_ID}", "events": f"/v1/jobs/{JOB_ID}/events"},
        },
    },
    "tries": [],
    "links": {
        "self": f"/v1/webhooks/{WEBHOOK_ID}/deliveries/{DELIVERY_ID}",
        "redeliver": f"/v1/webhooks/{WEBHOOK_ID}/deliveries/{DELIVERY_ID}/redeliver",
    },
}
DELIVERED_EXAMPLE = WAITING_EXAMPLE | {
    "state": DeliveryState.DELIVERED,
    "next_try_at": None,
    "tries": [
        {
            "at": "2026-01-15T09:34:10Z",
            "url": "https://hooks.example.com/td3",
            "seconds": 0.084,
            "status": 204,
            "headers": {"server": "nginx"},
            "body": "",
            "error": None,
        }
    ],
}
