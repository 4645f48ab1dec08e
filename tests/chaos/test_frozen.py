"""Workers that are stopped past their lease, and wake up when others have gone on without them."""

import random
import time

import pytest

from tests.support.fleet import PATIENCE, SHORT_LEASE, Fleet
from tests.support.undisturbed import SEED, Undisturbed, small_spec
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WORKERS = ("worker-1", "worker-2")


def test_nothing_is_accepted_from_a_worker_that_wakes_after_its_lease(
    fleet: Fleet, undisturbed: Undisturbed
) -> None:
    spec = small_spec(0)
    for name in ("worker-1", "keeper", "api"):
        fleet.start(name, **SHORT_LEASE)
    job_id = fleet.submit(undisturbed.log, spec).json()["id"]
    fleet.wait_for_step(job_id)
    thaw = fleet.freeze("worker-1")
    fleet.start("worker-2", **SHORT_LEASE)
    fleet.wait_for_all()
    fleet.stop("worker-2")
    before = fleet.traces()

    thaw()
    wait_until(lambda: "run.lease_lost" in fleet.log("worker-1"), seconds=PATIENCE)
    fleet.stop("worker-1")
    assert fleet.traces() == before
    fleet.check_succeeded_once(job_id, undisturbed.archive(spec))
    assert fleet.job(job_id).attempt == 2


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [SEED])
def test_jobs_whose_workers_are_frozen_at_random_moments_end_once_and_the_same(
    fleet: Fleet, undisturbed: Undisturbed, seed: int
) -> None:
    draw = random.Random(seed)
    for name in (*WORKERS, "keeper", "api"):
        fleet.start(name, **SHORT_LEASE)
    specs = [small_spec(number) for number in range(8)]
    job_ids = [fleet.submit(undisturbed.log, spec).json()["id"] for spec in specs]
    for _ in range(10):
        time.sleep(draw.uniform(0, 5))
        thaw = fleet.freeze(draw.choice(WORKERS))
        time.sleep(draw.uniform(1, 9))  # the lease is of four
        thaw()
    fleet.wait_for_all(seconds=5 * PATIENCE)
    for job_id, spec in zip(job_ids, specs, strict=True):
        fleet.check_succeeded_once(job_id, undisturbed.archive(spec))
    assert fleet.leases_run_out() > 0, "no lease ran out"
