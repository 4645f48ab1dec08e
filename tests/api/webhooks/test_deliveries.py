"""What keepers write of deliveries, on both databases."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from api.db import Database, now
from api.models import Delivery, DeliveryState, Webhook
from api.webhooks import deliveries as queue
from api.webhooks import service
from api.webhooks.deliveries import Outcome, Patience, Taken
from api.webhooks.schedule import parse
from api.webhooks.types import EventType
from tests.support.webhooks import (
    LOOPBACK,
    SECRET,
    add_webhook,
    deliveries,
    delivery,
    due_delivery,
    webhook,
)

LEASE = timedelta(seconds=60)
PATIENCE = Patience(schedule=parse("0,100,1000"), failing=timedelta(days=5))


def take(database: Database, *, limit: int = 100, most_of_one: int = 100, **busy: int) -> list[Taken]:
    with database.transaction() as session:
        return queue.take(session, limit=limit, busy=busy, most_of_one=most_of_one, lease=LEASE)


def settle(
    database: Database, taken: Taken, status: int | None = 204, *, patience: Patience = PATIENCE, **more: Any
) -> DeliveryState | None:
    shown = {"at": "2026-01-15T09:30:00+00:00", "status": status}
    with database.transaction() as session:
        return queue.settle(session, taken, Outcome(shown, status=status, **more), patience)


def wait_of(database: Database, delivery_id: str) -> float:
    """Seconds until the next try."""
    with database.reading() as session:
        at = now(session)
    due = delivery(database, delivery_id).next_try_at
    assert due is not None
    return (due - at).total_seconds()


def shift(database: Database, **columns: timedelta) -> None:
    """Put times of all deliveries, or else webhooks, back by so much."""
    with database.transaction() as session:
        for name, by in columns.items():
            model = Delivery if name in Delivery.__table__.c else Webhook
            session.execute(update(model).values({name: now(session) - by}))


def test_what_one_keeper_takes_another_leaves(database: Database) -> None:
    """Both take at the same moment, a few at a time, until there is nothing left."""
    webhook_id = add_webhook(database)
    expected = sorted(due_delivery(database, webhook_id) for _ in range(40))
    start = threading.Barrier(2)
    taken: list[str] = []

    def keeper() -> None:
        start.wait()
        for _ in range(20):
            taken.extend(each.id for each in take(database, limit=3))

    keepers = [threading.Thread(target=keeper) for _ in range(2)]
    for thread in keepers:
        thread.start()
    for thread in keepers:
        thread.join()
    assert sorted(taken) == expected
    assert take(database) == []


def test_what_a_killed_keeper_had_taken_is_due_when_its_lease_is_over(database: Database) -> None:
    delivery_id = due_delivery(database, add_webhook(database))
    (lost,) = take(database)
    assert take(database) == []
    shift(database, next_try_at=timedelta(seconds=1))
    (again,) = take(database)
    assert again.id == lost.id == delivery_id
    assert settle(database, lost) is None
    assert delivery(database, delivery_id).state is DeliveryState.WAITING
    assert settle(database, again) is DeliveryState.DELIVERED


@pytest.mark.parametrize("status", [200, 202, 299])
def test_2xx_is_delivered(database: Database, status: int) -> None:
    delivery_id = due_delivery(database, add_webhook(database))
    (taken,) = take(database)
    assert settle(database, taken, status) is DeliveryState.DELIVERED
    row = delivery(database, delivery_id)
    assert (row.next_try_at, row.failures, row.tries[0]["status"]) == (None, 0, status)


@pytest.mark.parametrize("status", [None, 199, 301, 302, 304, 400, 404, 429, 500, 503])
def test_everything_else_is_tried_again_until_the_schedule_ends(
    database: Database, status: int | None
) -> None:
    delivery_id = due_delivery(database, add_webhook(database))
    for expected in (100, 1000):
        (taken,) = take(database)
        assert settle(database, taken, status) is DeliveryState.WAITING
        assert expected - 5 <= wait_of(database, delivery_id) <= 1.2 * expected
        shift(database, next_try_at=timedelta(0))
    (taken,) = take(database)
    assert settle(database, taken, status) is DeliveryState.FAILED
    row = delivery(database, delivery_id)
    assert (row.next_try_at, row.failures, len(row.tries)) == (None, 3, 3)


def test_retry_after_is_heeded(database: Database) -> None:
    delivery_id = due_delivery(database, add_webhook(database))
    (taken,) = take(database)
    settle(database, taken, 429, retry_after=timedelta(hours=3))
    assert 3 * 3600 - 5 <= wait_of(database, delivery_id) <= 3 * 3600


def test_410_ends_the_delivery_and_switches_the_endpoint_off(database: Database) -> None:
    webhook_id = add_webhook(database)
    gone, waiting = (due_delivery(database, webhook_id) for _ in range(2))
    taken = next(each for each in take(database) if each.id == gone)
    assert settle(database, taken, 410) is DeliveryState.FAILED
    row = webhook(database, webhook_id)
    assert (row.enabled, row.disabled_reason) == (False, "The receiver answered 410 (Gone).")
    assert delivery(database, waiting).next_try_at is None
    with database.transaction() as session:
        service.change(session, webhook_id, tenant_id=row.tenant_id, policy=LOOPBACK, enabled=True)
    assert [each.id for each in take(database)] == [waiting]
    assert webhook(database, webhook_id).disabled_reason is None


def test_an_endpoint_that_fails_for_days_is_switched_off_and_the_others_are_told(database: Database) -> None:
    failing = add_webhook(database)
    other = add_webhook(database)
    add_webhook(database, events=(EventType.JOB_FAILED,))
    add_webhook(database, tenant_id="another")
    due_delivery(database, failing)
    (taken,) = take(database)
    settle(database, taken, 500)
    assert webhook(database, failing).failing_since is not None
    shift(database, next_try_at=timedelta(0), failing_since=timedelta(days=5, seconds=1))
    (taken,) = take(database)
    settle(database, taken, None)
    row = webhook(database, failing)
    assert not row.enabled
    assert row.disabled_reason is not None
    assert row.disabled_reason.startswith("Every try has failed since 20")
    _, told = deliveries(database)
    assert (told.webhook_id, told.type) == (other, "webhook.disabled")
    assert f'"id":"{failing}","enabled":false,"reason":"Every try' in told.body
    assert [each.id for each in take(database)] == [told.id]


def test_one_success_forgives_all_failures(database: Database) -> None:
    webhook_id = add_webhook(database)
    for _ in range(2):
        due_delivery(database, webhook_id)
    first, second = take(database)
    settle(database, first, 500)
    settle(database, second, 200)
    assert webhook(database, webhook_id).failing_since is None


def test_one_endpoint_does_not_hold_up_the_others(database: Database) -> None:
    slow, quick = add_webhook(database), add_webhook(database)
    for _ in range(10):
        due_delivery(database, slow)
    last = due_delivery(database, quick)
    first = take(database, limit=8, most_of_one=2)
    assert [each.webhook_id for each in first] == [slow, slow]
    assert [each.id for each in take(database, limit=8, most_of_one=2, **{slow: 2})] == [last]


def test_what_was_not_tried_is_released(database: Database) -> None:
    due_delivery(database, add_webhook(database))
    taken = take(database)
    with database.transaction() as session:
        queue.release(session, taken)
    assert [each.id for each in take(database)] == [taken[0].id]


def test_both_secrets_sign_until_the_overlap_is_over(database: Database) -> None:
    webhook_id = add_webhook(database)
    due_delivery(database, webhook_id)
    with database.transaction() as session:
        service.rotate(session, webhook_id, tenant_id="default", secret=None, overlap=timedelta(seconds=100))
    new = webhook(database, webhook_id).secret
    assert new != SECRET
    (taken,) = take(database)
    assert taken.secrets == (new, SECRET)
    shift(database, former_until=timedelta(seconds=1), next_try_at=timedelta(0))
    (taken,) = take(database)
    assert taken.secrets == (new,)


def test_old_deliveries_and_those_of_deleted_endpoints_are_removed(database: Database) -> None:
    kept, deleted = add_webhook(database), add_webhook(database)
    young = due_delivery(database, kept)
    due_delivery(database, deleted)
    with database.transaction() as session:
        service.remove(session, deleted, tenant_id="default")
    assert [each.id for each in take(database)] == [young]
    with database.transaction() as session:
        assert queue.sweep(session, retention=timedelta(days=30)) == 1
    assert [row.id for row in deliveries(database)] == [young]
    shift(database, created_at=timedelta(days=31))
    with database.transaction() as session:
        assert queue.sweep(session, retention=timedelta(days=32)) == 0
        assert queue.sweep(session, retention=timedelta(days=30)) == 1


def test_a_delivery_remembers_its_latest_tries(database: Database) -> None:
    delivery_id = due_delivery(database, add_webhook(database))
    patient = Patience(schedule=parse(",".join(["0"] * 100)), failing=timedelta(days=5))
    for number in range(queue.MOST_TRIES + 5):
        (taken,) = take(database)
        settle(database, taken, 500 + number, patience=patient)
    tries = delivery(database, delivery_id).tries
    assert [made["status"] for made in tries] == [500 + number for number in range(5, queue.MOST_TRIES + 5)]
