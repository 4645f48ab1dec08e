"""Webhooks from the event of a run to a real receiver, by senders that may be killed."""

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from api.db import Database
from api.models import DeliveryState, Job, Webhook
from api.runs import events
from api.runs.kinds import EventKind
from api.settings import Settings
from api.webhooks.signing import new_secret
from api.webhooks.types import EventType
from embedded.process import free_port
from tests.support.claims import succeed
from tests.support.environment import own_environment
from tests.support.jobs import add_job
from tests.support.outages import closed_to_all
from tests.support.receivers import OK, Answer, Received, Receiver, receiving
from tests.support.waiting import wait_until
from tests.support.webhooks import (
    SECRET,
    add_webhook,
    deliveries,
    delivery,
    due_delivery,
    hasty,
    number_of,
    sending,
    webhook,
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_the_end_of_a_run_is_told(
    database: Database, settings: Settings, receiver: Receiver, queued_job: str
) -> None:
    add_webhook(database, receiver.url)
    with sending(database, hasty(settings)) as metrics:
        succeed(database, queued_job)
        wait_until(lambda: number_of(database, DeliveryState.DELIVERED) == 1)
    (got,) = receiver.received
    payload = got.verified(SECRET)
    assert (payload["type"], payload["data"]["id"]) == ("job.succeeded", queued_job)
    (told,) = deliveries(database)
    assert got.id == told.id
    (made,) = told.tries
    assert (made["url"], made["status"], made["error"]) == (receiver.url, 204, None)
    assert metrics.webhook_tries.labels("delivered")._value.get() == 1


def test_the_id_is_the_same_for_all_tries_until_one_is_accepted(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    answers = iter([Answer(500), Answer(302, {"location": "/elsewhere"}), OK])
    receiver.behave = lambda _: next(answers)
    delivery_id = due_delivery(database, add_webhook(database, receiver.url))
    with sending(database, hasty(settings)) as metrics:
        wait_until(lambda: delivery(database, delivery_id).state is DeliveryState.DELIVERED)
    assert [(got.id, got.path) for got in receiver.received] == [(delivery_id, "/hook")] * 3
    assert [got.verified(SECRET)["type"] for got in receiver.received] == ["webhook.test"] * 3
    row = delivery(database, delivery_id)
    assert [made["status"] for made in row.tries] == [500, 302, 204]
    assert metrics.webhook_tries.labels("retried")._value.get() == 2


def test_what_is_refused_for_good_has_failed_with_its_reasons(database: Database, settings: Settings) -> None:
    delivery_id = due_delivery(database, add_webhook(database, "http://127.0.0.1:1/"))
    forbidden = hasty(settings).model_copy(update={"webhook_loopback": False})
    with sending(database, forbidden):
        wait_until(lambda: delivery(database, delivery_id).state is DeliveryState.FAILED)
    errors = [made["error"] for made in delivery(database, delivery_id).tries]
    assert errors == ["NotAllowedError: 127.0.0.1 has no address to which webhooks may be sent"] * 3


def test_a_receiver_that_hangs_does_not_hold_up_the_others(
    database: Database, settings: Settings, receiver: Receiver
) -> None:
    receiver.behave = lambda got: receiver.hang() if got.path == "/hook" else OK
    slow = add_webhook(database, receiver.url)
    quick = add_webhook(database, receiver.url + "/quick")
    for _ in range(200):
        due_delivery(database, slow)
    delivery_id = due_delivery(database, quick)
    with sending(database, hasty(settings, timeout=20)):
        wait_until(lambda: delivery(database, delivery_id).state is DeliveryState.DELIVERED, seconds=5)
        assert Counter(got.path for got in receiver.received) == {"/hook": 8, "/hook/quick": 1}
    # Those that hung are left to other keepers at once, without counting as tries.
    with sending(database, hasty(settings)):
        receiver.behave = lambda _: OK
        wait_until(lambda: number_of(database, DeliveryState.WAITING) == 0)
    assert webhook(database, slow).failing_since is None


@pytest.mark.parametrize("migrated_url", ["postgres"], indirect=True)
def test_the_outcome_of_a_try_waits_for_a_database_that_is_away(
    database: Database, settings: Settings, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    gone = threading.Event()
    receiver.behave = lambda _: Answer(204, before=gone.wait)
    delivery_id = due_delivery(database, add_webhook(database, receiver.url))
    with sending(database, hasty(settings, timeout=20)):
        wait_until(lambda: len(receiver.received) == 1)
        with closed_to_all(settings.database_url):
            gone.set()
            wait_until(lambda: "webhooks.database_unavailable" in caplog.messages)
        wait_until(lambda: delivery(database, delivery_id).state is DeliveryState.DELIVERED)
    assert len(receiver.received) == 1


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_the_receiver_of_the_guide_verifies_what_is_sent(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "how-to" / "webhooks.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    port = free_port()
    assert "8080" in code
    environment = {**os.environ, "WEBHOOK_SECRET": SECRET}
    command = [sys.executable, "-c", code.replace("8080", str(port))]
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.DEVNULL)
    try:
        right = due_delivery(database, add_webhook(database, f"http://127.0.0.1:{port}/"))
        wrong_id = add_webhook(database, f"http://127.0.0.1:{port}/")
        with database.transaction() as session:
            session.get_one(Webhook, wrong_id).secret = new_secret()
        wrong = due_delivery(database, wrong_id)
        with sending(database, hasty(settings, schedule=",".join(["0.2"] * 100))):
            wait_until(lambda: delivery(database, right).state is DeliveryState.DELIVERED)
            wait_until(lambda: [made["status"] for made in delivery(database, wrong).tries[-1:]] == [401])
        assert log.read_text().startswith(f"{right} webhook.test hook_")
        assert wrong not in log.read_text()
    finally:
        process.kill()
        process.wait()


SEED = 7
ENDPOINTS = 4


class Unreliable:
    """A receiver's behaviour: half of the requests fail, each in one of the ways that there are."""

    def __init__(self) -> None:
        self.accepted: set[str] = set()
        """Ids of the messages that were verified and accepted."""
        self.ways: Counter[str] = Counter()
        self._random = random.Random(SEED)
        self._lock = threading.Lock()

    def __call__(self, got: Received) -> Answer:
        """Verify the message, and answer, or not."""
        assert got.path.startswith("/hook/"), "a redirect was followed"
        got.verified(SECRET)
        ways = {"accept": 10, "fail": 3, "die": 2, "redirect": 2, "busy": 2, "hang": 1}
        with self._lock:
            (way,) = self._random.choices(list(ways), list(ways.values()))
            self.ways[way] += 1
            if way == "accept":
                self.accepted.add(got.id)
        return {
            "accept": OK,
            "fail": Answer(500),
            "die": Answer(0),
            "redirect": Answer(301, {"location": "/elsewhere"}),
            "busy": Answer(429, {"retry-after": "1"}),
            "hang": Answer(200, before=lambda: time.sleep(1.5)),
        }[way]


@contextmanager
def killed_keepers(
    settings: Settings, receiver: Receiver, *, most: int, number: int = 2
) -> Iterator[Counter[str]]:
    """Run keepers of which one is killed without notice after every few requests, `most` at most, and started again."""
    environment = own_environment() | {
        "TD3_DATABASE_URL": settings.database_url,
        "TD3_BROKER_URL": settings.required_broker_url,
        "TD3_DATA_DIR": str(settings.data_dir),
        "TD3_WEBHOOK_LOOPBACK": "1",
        "TD3_WEBHOOK_SCHEDULE": settings.webhook_schedule,
        "TD3_WEBHOOK_TIMEOUT_SECONDS": str(settings.webhook_timeout_seconds),
        "TD3_LOG_LEVEL": "WARNING",
    }
    stop = threading.Event()
    counts: Counter[str] = Counter()
    seeded = random.Random(SEED)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "worker.keeper"], env=environment)

    def kill_on() -> None:
        keepers = [start() for _ in range(number)]
        try:
            next_at = 0
            while not stop.wait(0.01):
                if len(receiver.received) < next_at:
                    continue
                next_at = len(receiver.received) + seeded.randint(1, most)
                victim = seeded.randrange(number)
                os.kill(keepers[victim].pid, signal.SIGKILL)
                keepers[victim].wait()
                keepers[victim] = start()
                counts["killed"] += 1
        finally:
            for keeper in keepers:
                keeper.kill()
                keeper.wait()

    killer = threading.Thread(target=kill_on)
    killer.start()
    try:
        yield counts
    finally:
        stop.set()
        killer.join()


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(200, marks=pytest.mark.slow),
        pytest.param(5000, marks=[pytest.mark.chaos, pytest.mark.timeout(1800)]),
    ],
)
def test_none_is_lost_though_receivers_fail_and_keepers_are_killed(
    number: int, database: Database, settings: Settings, receiver: Receiver
) -> None:
    """Each event is written while keepers send and die, and its delivery is accepted in the end."""
    settings = hasty(settings, schedule=",".join(["0", *["0.2"] * 200]), timeout=0.5)
    receiver.behave = unreliable = Unreliable()
    for endpoint in range(ENDPOINTS):
        add_webhook(database, f"{receiver.url}/{endpoint}", events=(EventType.JOB_SUBMITTED,))
    with killed_keepers(settings, receiver, most=max(60, number // 10)) as counts:
        for _ in range(number // ENDPOINTS):
            with database.transaction() as session:
                job = add_job(session)
                session.flush()
                events.record(session, Job, job.id, EventKind.SUBMITTED)
        wait_until(lambda: number_of(database, DeliveryState.WAITING) == 0, seconds=1500)
    told = deliveries(database)
    assert len(told) == number
    assert {row.state for row in told} == {DeliveryState.DELIVERED}
    assert {row.id for row in told} <= unreliable.accepted
    assert {got.id for got in receiver.received} == {row.id for row in told}
    assert len(unreliable.ways) == 6
    assert counts["killed"] >= 3
