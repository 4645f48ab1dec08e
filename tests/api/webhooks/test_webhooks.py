"""The routes, over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.db import Database
from api.http.auth import current_tenant
from api.models import Delivery, DeliveryState
from api.settings import Settings
from api.webhooks import replays, service
from api.webhooks.types import DEFAULT, ENDS, EventType
from tests.support.claims import claimed, succeed
from tests.support.live_api import running_app
from tests.support.problems import problem
from tests.support.receivers import receiving
from tests.support.webhooks import SECRET, add_webhook, deliveries, delivery, due_delivery, hasty, sending

URL = "https://hooks.example.com/td3"


def create(api: httpx.Client, **spec: Any) -> dict[str, Any]:
    response = api.post("/v1/webhooks", json={"url": URL} | spec)
    assert response.status_code == 201, response.text
    assert response.headers["location"] == response.json()["links"]["self"]
    return response.json()


def test_a_secret_is_shown_once(api: httpx.Client) -> None:
    made = create(api)
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made["secret_hint"] == secret[-4:]
    assert made["events"] == list(DEFAULT)
    assert api.get(made["links"]["self"]).json() == made
    assert api.get("/v1/webhooks").json() == {"items": [made], "next_cursor": None}
    other = create(api, secret=SECRET, events=["job.failed", "job.failed"])
    assert (other["secret"], other["events"]) == (SECRET, ["job.failed"])


def test_the_same_key_makes_one_webhook(api: httpx.Client) -> None:
    first, second = (
        api.post("/v1/webhooks", json={"url": URL}, headers={"Idempotency-Key": "k1"}) for _ in range(2)
    )
    assert first.json() == second.json()
    assert len(api.get("/v1/webhooks").json()["items"]) == 1


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({}, "url"),
        ({"url": "ftp://example.com/"}, "url"),
        ({"url": "https://user:pw@example.com/"}, "url"),
        ({"url": "http://127.0.0.1/"}, "url"),
        ({"url": "http://2130706433/"}, "url"),
        ({"url": "http://[::ffff:169.254.169.254]/"}, "url"),
        ({"url": "http://10.0.0.1/"}, "url"),
        ({"url": URL, "events": []}, "events"),
        ({"url": URL, "events": ["job.exploded"]}, "events.0"),
        ({"url": URL, "secret": "whsec_short"}, "secret"),
        ({"url": URL, "job_id": "job_1"}, "job_id"),
    ],
)
def test_what_is_wrong_is_named(api: httpx.Client, spec: dict[str, Any], field: str) -> None:
    refused = problem(api.post("/v1/webhooks", json=spec), 422, "invalid_request")
    assert [error["field"] for error in refused["errors"]] == [field]
    assert "whsec_short" not in str(refused)
    assert "user:pw" not in str(refused)


def test_a_project_has_a_number_of_webhooks(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOST", 2)
    for _ in range(2):
        create(api)
    problem(api.post("/v1/webhooks", json={"url": URL}), 409, "too_many_webhooks")


def test_a_webhook_is_changed_switched_off_and_on_and_deleted(api: httpx.Client, database: Database) -> None:
    made = create(api)
    here = made["links"]["self"]
    changed = api.patch(here, json={"url": URL + "/2", "events": ["job.failed"]}).json()
    assert (changed["url"], changed["events"], changed["enabled"]) == (URL + "/2", ["job.failed"], True)
    delivery_id = due_delivery(database, made["id"])
    assert api.patch(here, json={"enabled": False}).json()["enabled"] is False
    assert delivery(database, delivery_id).next_try_at is None
    problem(api.post(f"{here}/test"), 409, "webhook_disabled")
    problem(api.post(f"{here}/deliveries/{delivery_id}/redeliver"), 409, "webhook_disabled")
    problem(api.post(f"{here}/replay", json={"since": "2026-01-15T00:00:00Z"}), 409, "webhook_disabled")
    assert api.patch(here, json={"enabled": True}).json()["enabled"] is True
    assert delivery(database, delivery_id).next_try_at is not None
    problem(api.patch(here, json={"url": "http://127.0.0.1/"}), 422, "invalid_request")
    assert api.delete(here).status_code == 204
    problem(api.get(here), 404, "webhook_not_found")
    problem(api.delete(here), 404, "webhook_not_found")


def test_rotation_shows_the_new_secret_once(api: httpx.Client) -> None:
    made = create(api, secret=SECRET)
    here = made["links"]["self"]
    rotated = api.post(f"{here}/rotate").json()
    assert rotated["secret"] not in (SECRET, None)
    until = datetime.fromisoformat(rotated["former_secret_until"])
    assert timedelta(hours=23) < until - datetime.now(UTC) <= timedelta(days=1)
    assert "secret" not in api.get(here).json()
    chosen = api.post(f"{here}/rotate", json={"secret": SECRET, "overlap_seconds": 0}).json()
    assert chosen["secret"] == SECRET
    problem(api.post(f"{here}/rotate", json={"overlap_seconds": -1}), 422, "invalid_request")


def test_a_test_arrives_and_its_delivery_shows_request_and_answer(
    api: httpx.Client, database: Database, settings: Settings
) -> None:
    with receiving() as receiver, sending(database, hasty(settings)):
        webhook_id = add_webhook(database, receiver.url)
        here = f"/v1/webhooks/{webhook_id}"
        sent = api.post(f"{here}/test")
        assert sent.status_code == 202
        assert sent.json()["state"] == "waiting"
        told = sent.json()
        while told["state"] == "waiting":
            told = api.get(told["links"]["self"]).json()
        assert told["state"] == "delivered"
        assert receiver.received[0].verified(SECRET) == told["payload"]
        assert told["payload"]["data"] == {"id": webhook_id, "links": {"self": here}}
        assert api.get(told["payload"]["data"]["links"]["self"]).status_code == 200
        (made,) = told["tries"]
        assert (made["url"], made["status"], made["body"]) == (receiver.url, 204, "")
        assert api.get(f"{here}/deliveries").json()["items"] == [told]
        assert api.get(f"{here}/deliveries", params={"state": "failed"}).json()["items"] == []
        again = api.post(told["links"]["redeliver"])
        assert (again.status_code, again.json()["id"]) == (202, told["id"])
        while len(receiver.received) < 2:
            pass
        assert {got.id for got in receiver.received} == {told["id"]}
    problem(api.get(f"{here}/deliveries/msg_1"), 404, "delivery_not_found")


def test_a_page_of_deliveries_shows_the_last_tries_alone(api: httpx.Client, database: Database) -> None:
    webhook_id = add_webhook(database)
    delivery_id = due_delivery(database, webhook_id)
    made = [
        {"at": "2026-01-15T09:34:10Z", "url": "http://a/", "seconds": 1.0, "status": status}
        | {"headers": {}, "body": "x" * 1024, "error": None}
        for status in range(500, 520)
    ]
    with database.transaction() as session:
        session.get_one(Delivery, delivery_id).tries = made
    (listed,) = api.get(f"/v1/webhooks/{webhook_id}/deliveries").json()["items"]
    assert [one["status"] for one in listed["tries"]] == [519]
    shown = api.get(listed["links"]["self"]).json()
    assert [one["status"] for one in shown["tries"]] == list(range(500, 520))


def test_links_of_what_is_told_lead_to_the_run(
    api: httpx.Client, database: Database, queued_job: str
) -> None:
    webhook_id = add_webhook(database)
    succeed(database, queued_job)
    (told,) = api.get(f"/v1/webhooks/{webhook_id}/deliveries").json()["items"]
    assert told["run_id"] == queued_job
    for link in told["payload"]["data"]["links"].values():
        assert api.get(link).status_code == 200


def test_replay_sends_again_what_was_told_and_what_was_not(
    api: httpx.Client, database: Database, queued_job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "BATCH", 1)
    before = datetime.now(UTC) - timedelta(seconds=1)
    claimed_only = add_webhook(database, events=[EventType.JOB_CLAIMED])
    succeed(database, queued_job)
    (told,) = deliveries(database)
    here = f"/v1/webhooks/{claimed_only}"
    api.patch(here, json={"events": ["job.claimed", "job.succeeded"]})
    replayed = api.post(f"{here}/replay", json={"since": before.isoformat()})
    assert (replayed.status_code, replayed.json()) == (202, {"deliveries": 2})
    assert [row.type for row in deliveries(database)] == ["job.claimed", "job.succeeded"]
    assert deliveries(database)[0].id == told.id
    assert api.post(f"{here}/replay", json={"since": before.isoformat()}).json() == {"deliveries": 2}
    assert len(deliveries(database)) == 2
    later = datetime.now(UTC) + timedelta(seconds=1)
    assert api.post(f"{here}/replay", json={"since": later.isoformat()}).json() == {"deliveries": 0}
    span = {"since": before.isoformat(), "until": before.isoformat()}
    assert api.post(f"{here}/replay", json=span).json() == {"deliveries": 0}
    monkeypatch.setattr(replays, "MOST", 1)
    problem(api.post(f"{here}/replay", json={"since": before.isoformat()}), 422, "invalid_request")
    problem(api.post(f"{here}/replay", json={"since": "2026-01-15T00:00:00"}), 422, "invalid_request")


def test_a_replay_tells_the_same_as_the_event_did(
    api: httpx.Client, database: Database, queued_job: str
) -> None:
    events = [EventType.JOB_CLAIMED, *ENDS]
    told = add_webhook(database, events=events)
    succeed(database, queued_job)
    missed = add_webhook(database, events=events)
    api.post(f"/v1/webhooks/{missed}/replay", json={"since": "2020-01-01T00:00:00Z"})
    bodies: dict[str, list[str]] = {told: [], missed: []}
    for row in deliveries(database):
        bodies[row.webhook_id].append(row.body)
        assert row.state is DeliveryState.WAITING
    assert len(bodies[told]) == 2
    assert bodies[told] == bodies[missed]


def test_another_project_sees_and_changes_nothing(
    database: Database, settings: Settings, queued_job: str
) -> None:
    webhook_id = add_webhook(database)
    claimed(database, queued_job)
    delivery_id = due_delivery(database, webhook_id)
    here = f"/v1/webhooks/{webhook_id}"
    app = create_app(settings)
    app.dependency_overrides[current_tenant] = lambda: "other"
    with running_app(app) as other:
        assert other.get("/v1/webhooks").json()["items"] == []
        since = {"since": "2020-01-01T00:00:00Z"}
        for method, path, body in (
            ("GET", here, None),
            ("PATCH", here, {"enabled": False}),
            ("DELETE", here, None),
            ("POST", f"{here}/rotate", {}),
            ("POST", f"{here}/test", None),
            ("POST", f"{here}/replay", since),
            ("GET", f"{here}/deliveries", None),
            ("GET", f"{here}/deliveries/{delivery_id}", None),
            ("POST", f"{here}/deliveries/{delivery_id}/redeliver", None),
        ):
            problem(other.request(method, path, json=body), 404, "webhook_not_found")
        own = other.post("/v1/webhooks", json={"url": URL, "events": list(EventType)}).json()
        mixed = f"/v1/webhooks/{own['id']}/deliveries/{delivery_id}"
        problem(other.get(mixed), 404, "delivery_not_found")
        problem(other.post(f"{mixed}/redeliver"), 404, "delivery_not_found")
        assert other.post(f"/v1/webhooks/{own['id']}/replay", json=since).json() == {"deliveries": 0}
