"""Broker, database and API that die while jobs are submitted and run."""

import random
import threading
import time
import uuid
from collections.abc import Callable

import httpx
import pytest

from tests.support.fleet import PATIENCE, Fleet
from tests.support.undisturbed import SEED, Undisturbed, small_spec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WORKERS = ("worker-1", "worker-2")


def crash_broker(fleet: Fleet) -> None:
    fleet.crash_broker()


def crash_database(fleet: Fleet) -> None:
    fleet.postgres.crash()
    time.sleep(1)
    fleet.postgres.start()


def crash_api(fleet: Fleet) -> None:
    fleet.kill("api")
    fleet.start("api")


class Submitter:
    """A client that submits one job after the other, and asks again, with the same key, until it has an answer."""

    def __init__(self, fleet: Fleet, undisturbed: Undisturbed, seeds: range) -> None:
        self.accepted: dict[str, int] = {}
        self._fleet, self._log, self._seeds = fleet, undisturbed.log, seeds
        self._thread = threading.Thread(target=self._submit_all)

    def __enter__(self) -> "Submitter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the submitter found no answer"

    def _submit_all(self) -> None:
        for seed in self._seeds:
            self.accepted[self._submit(seed)] = seed

    def _submit(self, seed: int) -> str:
        key = uuid.uuid4().hex
        while True:
            try:
                response = self._fleet.submit(self._log, small_spec(seed), **{"Idempotency-Key": key})
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            if response.status_code == 202:
                return response.json()["id"]
            assert response.status_code in (409, 500, 503), response.text
            time.sleep(0.1)


@pytest.mark.parametrize("crash", [crash_broker, crash_database, crash_api])
def test_jobs_that_were_accepted_or_running_when_it_crashed_end_once(
    fleet: Fleet, undisturbed: Undisturbed, crash: Callable[[Fleet], None]
) -> None:
    for name in (*WORKERS, "keeper", "api"):
        fleet.start(name)
    with Submitter(fleet, undisturbed, range(2)) as submitter:
        while not submitter.accepted:
            time.sleep(0.01)
        crash(fleet)  # in mid-submit
    fleet.wait_for_step(list(submitter.accepted)[-1])  # the first may have ended meanwhile
    crash(fleet)  # in mid-run
    fleet.wait_for_all()
    for job_id, seed in submitter.accepted.items():
        fleet.check_succeeded_once(job_id, undisturbed.archive(small_spec(seed)))


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [SEED])
def test_jobs_end_once_whatever_crashes_at_random_moments(
    fleet: Fleet, undisturbed: Undisturbed, seed: int
) -> None:
    draw = random.Random(seed)
    for name in (*WORKERS, "keeper", "api"):
        fleet.start(name)
    with Submitter(fleet, undisturbed, range(8)) as submitter:
        for _ in range(12):
            time.sleep(draw.uniform(0, 3))
            draw.choice([crash_broker, crash_database, crash_api])(fleet)
    fleet.wait_for_all(seconds=5 * PATIENCE)
    assert len(submitter.accepted) == 8
    for job_id, job_seed in submitter.accepted.items():
        fleet.check_succeeded_once(job_id, undisturbed.archive(small_spec(job_seed)))
