"""Operations on webhooks: URLs that are told of events of runs."""

from collections.abc import Sequence

from td3client.ids import delivery_path, job_path, webhook_path
from td3client.requests import Requests, given
from td3client.resources import (
    Delivery,
    DeliveryPage,
    DeliveryState,
    Replayed,
    Webhook,
    WebhookPage,
    WebhookWithSecret,
)

WEBHOOKS = "/v1/webhooks"


class Webhooks:
    """`Client.webhooks`. All operations raise ServiceProblem, UnreachableError and InvalidIdError."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def create(
        self, url: str, *, events: Sequence[str] | None = None, secret: str | None = None
    ) -> WebhookWithSecret:
        """Have a URL told of events of all runs of the project.

        Args:
            url: What events are sent to.
            events: Types of the events that it is told of, such as `job.succeeded`; by default all ends of runs.
            secret: What signs the events, `whsec_...`; by default a random one, which this answer alone has.
        """
        return self._requests.create(
            WebhookWithSecret, WEBHOOKS, json=given(url=url, events=_listed(events), secret=secret)
        )

    def list(self, *, job_id: str | None = None, limit: int = 50, cursor: str | None = None) -> WebhookPage:
        """Get a page of the webhooks of the project, or of those that a job was submitted with, newest first."""
        if job_id is not None:
            job_path(job_id)  # raises unless it is an id
        return self._requests.page(WebhookPage, WEBHOOKS, limit=limit, cursor=cursor, job_id=job_id)

    def get(self, webhook_id: str) -> Webhook:
        """Get a webhook, without its secret."""
        return self._requests.call(Webhook, "GET", webhook_path(webhook_id))

    def update(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """Change what is given. What waited while it was switched off is sent once it is on again."""
        changes = given(url=url, events=_listed(events), enabled=enabled)
        return self._requests.call(Webhook, "PATCH", webhook_path(webhook_id), json=changes)

    def delete(self, webhook_id: str) -> None:
        """Delete a webhook and its deliveries."""
        self._requests.end(webhook_path(webhook_id))

    def test(self, webhook_id: str) -> Delivery:
        """Send an event of type `webhook.test`, whatever events are wanted; return the delivery, which waits."""
        return self._requests.call(Delivery, "POST", f"{webhook_path(webhook_id)}/test")

    def rotate(
        self, webhook_id: str, *, secret: str | None = None, overlap_seconds: float | None = None
    ) -> WebhookWithSecret:
        """Give a webhook another secret, by default a random one; the former one signs as well for a day, or for this
        long.
        """
        fields = given(secret=secret, overlap_seconds=overlap_seconds)
        return self._requests.call(
            WebhookWithSecret, "POST", f"{webhook_path(webhook_id)}/rotate", json=fields
        )

    def deliveries(
        self,
        webhook_id: str,
        *,
        state: DeliveryState | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> DeliveryPage:
        """Get a page of deliveries, newest first, each with its last try; if a state is given, those in it."""
        return self._requests.page(
            DeliveryPage, f"{webhook_path(webhook_id)}/deliveries", limit=limit, cursor=cursor, state=state
        )

    def delivery(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Get a delivery with its latest tries and their answers."""
        return self._requests.call(Delivery, "GET", delivery_path(webhook_id, delivery_id))

    def redeliver(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Send a delivery again, whatever became of it."""
        return self._requests.call(Delivery, "POST", f"{delivery_path(webhook_id, delivery_id)}/redeliver")

    def replay(self, webhook_id: str, *, since: str, until: str | None = None) -> int:
        """Send all events between two moments again, and those that were missed; return their number.

        Args:
            webhook_id: Id of the webhook.
            since: Moment of the first event, with a time zone, such as `2026-01-15T00:00:00Z`.
            until: Moment of the first event that is not sent; by default now.
        """
        fields = given(since=since, until=until)
        answer: Replayed = self._requests.call(
            Replayed, "POST", f"{webhook_path(webhook_id)}/replay", json=fields
        )
        return answer["deliveries"]


def _listed(events: Sequence[str] | None) -> list[str] | None:
    return None if events is None else list(events)
