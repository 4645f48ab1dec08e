import json
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from celery import Celery
from sqlalchemy import select, update

from api.db import Database, now
from api.models import OutboxMessage
from api.outbox import Outbox
from api.queue import QUEUE, make_celery
from tests.support.claims import claimed
from tests.support.jobs import add_job

RESEND = timedelta(seconds=100)


@pytest.fixture
def celery(broker_url: str) -> Iterator[Celery]:
    with make_celery(broker_url) as celery:
        yield celery


@pytest.fixture
def outbox(database: Database, celery: Celery) -> Outbox:
    return Outbox(database, celery, resend=RESEND)


def messages(broker: redis.Redis) -> list[dict[str, object]]:
    """Task and body of what waits in the queue, oldest first."""
    waiting = broker.lrange(QUEUE, 0, -1)
    assert isinstance(waiting, list)
    return [json.loads(message)["headers"] for message in reversed(waiting)]


def row(database: Database) -> OutboxMessage:
    with database.reading() as session:
        return session.scalars(select(OutboxMessage)).one()


def make_due(database: Database) -> None:
    with database.transaction() as session:
        session.execute(update(OutboxMessage).values(due_at=now(session)))


def test_a_message_carries_the_id_alone(outbox: Outbox, broker: redis.Redis, queued_job: str) -> None:
    assert outbox.deliver([queued_job]) == 1
    (headers,) = messages(broker)
    assert headers["task"] == "td3.distil"
    assert headers["kwargsrepr"] == repr({"run_id": queued_job})
    assert headers["argsrepr"] == "()"


def test_only_what_was_asked_for_is_delivered(outbox: Outbox, broker: redis.Redis, queued_job: str) -> None:
    assert outbox.deliver(["job_other"]) == 0
    assert messages(broker) == []


def test_the_keeper_leaves_time_to_whoever_committed(outbox: Outbox, queued_job: str) -> None:
    assert outbox.deliver_due() == 0


def test_what_was_left_unsent_is_sent(
    outbox: Outbox, database: Database, broker: redis.Redis, queued_job: str
) -> None:
    make_due(database)
    assert outbox.deliver_due() == 1
    assert len(messages(broker)) == 1
    assert outbox.deliver_due() == 0


def test_what_one_keeper_takes_another_leaves(
    outbox: Outbox, database: Database, celery: Celery, broker: redis.Redis
) -> None:
    """Both look at the same moment, and again and again."""
    with database.transaction() as session:
        jobs = {add_job(session).id for _ in range(40)}
    make_due(database)
    start = threading.Barrier(2)

    def deliver() -> None:
        mine = Outbox(database, celery, resend=RESEND)
        start.wait()
        for _ in range(5):
            mine.deliver_due()

    keepers = [threading.Thread(target=deliver) for _ in range(2)]
    for keeper in keepers:
        keeper.start()
    for keeper in keepers:
        keeper.join()
    sent = [str(headers["kwargsrepr"]) for headers in messages(broker)]
    assert sorted(sent) == sorted(repr({"run_id": job}) for job in jobs)


def test_what_nobody_claims_is_sent_again_at_doubling_intervals(
    outbox: Outbox, database: Database, broker: redis.Redis, queued_job: str
) -> None:
    """The first message was lost: by a broker that restarted, or a worker that died with it in its hands."""
    waits: list[timedelta] = []
    for _ in range(3):
        make_due(database)
        assert outbox.deliver_due() == 1
        with database.reading() as session:
            waits.append(row(database).due_at - now(session))
    assert [round(wait / RESEND) for wait in waits] == [1, 2, 4]
    assert (row(database).sends, len(messages(broker))) == (3, 3)


def test_what_was_claimed_is_not_sent_again(
    outbox: Outbox, database: Database, broker: redis.Redis, queued_job: str
) -> None:
    outbox.deliver([queued_job])
    claimed(database, queued_job)
    assert outbox.deliver([queued_job]) == outbox.deliver_due() == 0
    assert len(messages(broker)) == 1


def test_a_broker_that_is_away_loses_nothing(
    database: Database, outbox: Outbox, broker: redis.Redis, queued_job: str
) -> None:
    make_due(database)
    with make_celery("redis://127.0.0.1:1/0") as nowhere:
        assert Outbox(database, nowhere, resend=RESEND).deliver_due() == 0
    assert row(database).sends == 0
    assert outbox.deliver_due() == 1


def test_a_message_of_a_transaction_that_failed_does_not_exist(
    database: Database, outbox: Outbox, broker: redis.Redis, queued_job: str
) -> None:
    made: list[str] = []

    def fail() -> None:
        with database.transaction() as session:
            made.append(add_job(session).id)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert outbox.deliver(made) == 0
    assert messages(broker) == []
