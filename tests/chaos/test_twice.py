"""Everything comes twice: each message and the keeper; and clocks disagree."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis

from api.models import Job
from api.queue import QUEUE, make_celery
from tests.support.fleet import Fleet
from tests.support.undisturbed import Undisturbed, small_spec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ECHO = "echo"


@contextmanager
def echoing(broker_url: str) -> Iterator[list[str]]:
    """Send each message once more, as soon as the broker was given it; yields the runs, as often as it did so."""
    echoed: list[str] = []
    ended = threading.Event()

    def echo() -> None:
        for command in monitor.listen():
            if ended.is_set():
                return
            assert command is not None
            line = command["command"]
            if line.startswith(f"LPUSH {QUEUE} ") and ECHO not in line:
                (run_id,) = set(re.findall(r"job_[0-9a-f]{32}", line))
                celery.send_task(Job.task, kwargs={"run_id": run_id}, headers={ECHO: True})
                echoed.append(run_id)

    with (
        redis.Redis.from_url(broker_url, socket_timeout=None) as client,
        make_celery(broker_url) as celery,
        client.monitor() as monitor,
    ):
        thread = threading.Thread(target=echo)
        thread.start()
        try:
            yield echoed
        finally:
            ended.set()
            client.ping()  # which the monitor sees
            thread.join()


def skewed(by: timedelta) -> dict[str, str]:
    """Environment of a process whose clock is wrong; its steady clock, which counts seconds, is right."""
    spec = find_spec("libfaketime")
    assert spec is not None
    assert spec.origin is not None
    library = Path(spec.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
    seconds = int(by.total_seconds())
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{seconds:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def clock_of(fleet: Fleet, name: str) -> timedelta:
    """How far the process's clock is from ours, by the last line of its log."""
    *_, last = (line for line in fleet.log(name).splitlines() if line.startswith("{"))
    return datetime.fromisoformat(json.loads(last)["timestamp"]) - datetime.now(UTC)


def test_two_keepers_messages_that_come_twice_and_wrong_clocks_change_nothing(
    fleet: Fleet, undisturbed: Undisturbed
) -> None:
    hour = timedelta(hours=1)
    fleet.start("worker-1", **skewed(hour))
    fleet.start("worker-2", **skewed(-hour))
    for name in ("keeper-1", "keeper-2", "api"):
        fleet.start(name)
    specs = [small_spec(seed) for seed in range(2)]
    with echoing(fleet.broker.url) as echoed:
        job_ids = [fleet.submit(undisturbed.log, spec).json()["id"] for spec in specs]
        fleet.wait_for_all()
    assert set(echoed) == set(job_ids)
    for job_id, spec in zip(job_ids, specs, strict=True):
        fleet.check_succeeded_once(job_id, undisturbed.archive(spec))
        assert fleet.job(job_id).attempt == 1
    for name, skew in (("worker-1", hour), ("worker-2", -hour)):
        assert abs(clock_of(fleet, name) - skew) < timedelta(minutes=5)
    assert "run.nothing_to_claim" in fleet.log("worker-1") + fleet.log("worker-2")
