"""What endpoints are told, and that it is written with the event or not at all."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.db import Database
from api.models import DEFAULT_TENANT, RUN_KINDS, DeliveryState
from api.runs import claims, events
from api.runs.kinds import EventKind
from api.webhooks import service
from api.webhooks.addresses import Policy
from api.webhooks.types import EventType, type_of
from tests.support.claims import cancel, claimed, succeed
from tests.support.jobs import add_job, job
from tests.support.webhooks import add_webhook, deliveries

EVERYTHING = tuple(EventType)
URL = "https://hooks.example.com/td3"


def test_an_endpoint_is_told_of_what_it_wants_in_order(database: Database, queued_job: str) -> None:
    webhook_id = add_webhook(database, events=EVERYTHING)
    succeed(database, queued_job)
    told = deliveries(database)
    assert [delivery.type for delivery in told] == ["job.claimed", "job.succeeded"]
    last = told[-1]
    assert (last.webhook_id, last.run_id, last.state) == (webhook_id, queued_job, DeliveryState.WAITING)
    payload = json.loads(last.body)
    finished_at = job(database, queued_job).finished_at
    assert finished_at is not None
    assert payload.pop("timestamp") >= finished_at.isoformat().replace("+00:00", "Z")
    assert payload == {
        "type": "job.succeeded",
        "data": {
            "id": queued_job,
            "state": "succeeded",
            "links": {"self": f"/v1/jobs/{queued_job}", "events": f"/v1/jobs/{queued_job}/events"},
        },
    }


def test_the_default_is_to_be_told_of_ends(database: Database, queued_job: str) -> None:
    add_webhook(database)
    held = claimed(database, queued_job)
    assert deliveries(database) == []
    cancel(database, queued_job)
    with database.transaction() as session:
        claims.cancelled(session, held)
    assert [delivery.type for delivery in deliveries(database)] == ["job.cancelled"]


def test_projects_are_told_of_their_own_runs(database: Database, queued_job: str) -> None:
    add_webhook(database, tenant_id="other")
    mine = add_webhook(database)
    succeed(database, queued_job)
    assert [delivery.webhook_id for delivery in deliveries(database)] == [mine]


def test_a_webhook_of_a_job_is_told_of_that_job(database: Database, queued_job: str) -> None:
    with database.transaction() as session:
        other = add_job(session).id
    mine = add_webhook(database, job_id=queued_job)
    succeed(database, other)
    succeed(database, queued_job)
    assert [(told.webhook_id, told.run_id) for told in deliveries(database)] == [(mine, queued_job)]


def test_what_is_rolled_back_is_not_told(database: Database, queued_job: str) -> None:
    add_webhook(database, events=EVERYTHING)

    held = claimed(database, queued_job)
    before = len(deliveries(database))

    def fail() -> None:
        with database.transaction() as session:
            claims.succeed(session, held, metrics={})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(deliveries(database)) == before == 1


def test_every_type_but_that_of_webhooks_is_a_kind_of_event_of_a_kind_of_run() -> None:
    made = {type_of(model.kind, kind) for model in RUN_KINDS for kind in EventKind} - {None}
    assert made == set(EventType) - {EventType.WEBHOOK_DISABLED}
    assert {f"job.{kind}" for kind in events.LAST} <= made


def test_a_job_that_ends_while_a_webhook_is_attached_is_told_once(
    database: Database, queued_job: str
) -> None:
    held = claimed(database, queued_job)

    def attach() -> None:
        with database.transaction() as session:
            service.attach(
                session,
                queued_job,
                tenant_id=DEFAULT_TENANT,
                url=URL,
                events=[EventType.JOB_SUCCEEDED],
                secret=None,
                policy=Policy(),
            )

    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as session:
            claims.succeed(session, held, metrics={})
            attaching = thread.submit(attach)
            time.sleep(0.5)  # it would not be done yet, and could not see what is not committed
        attaching.result(10)
    assert [told.type for told in deliveries(database)] == ["job.succeeded"]
