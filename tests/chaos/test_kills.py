"""Workers that are killed, again and again."""

import random
import time

import pytest

from tests.support.fleet import PATIENCE, SHORT_LEASE, Fleet
from tests.support.undisturbed import SEED, Undisturbed, small_spec
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WORKERS = ("worker-1", "worker-2")
BREATH = 8.0
"""Seconds between two kills at most: about what a job takes from its claim to its end."""


@pytest.mark.parametrize("seed", [SEED])
@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=[pytest.mark.chaos, pytest.mark.timeout(1800)])])
def test_jobs_whose_workers_are_killed_at_random_moments_end_once_and_the_same(
    fleet: Fleet, undisturbed: Undisturbed, kills: int, seed: int
) -> None:
    draw = random.Random(seed)
    for name in (*WORKERS, "keeper", "api"):
        fleet.start(name, **SHORT_LEASE)
    specs: dict[str, dict[str, object]] = {}

    def submit() -> None:
        spec = small_spec(len(specs))
        specs[fleet.submit(undisturbed.log, spec).json()["id"]] = spec

    for _ in range(kills):
        while len(fleet.unfinished()) < len(WORKERS):
            submit()
        wait_until(lambda: any(job.state == "running" for job in fleet.jobs()), seconds=PATIENCE)
        time.sleep(draw.uniform(0, BREATH))
        victim = draw.choice(WORKERS)
        fleet.kill(victim)
        fleet.start(victim, **SHORT_LEASE)
    fleet.wait_for_all()

    assert [job.id for job in fleet.jobs()] == list(specs)
    for job_id, spec in specs.items():
        fleet.check_succeeded_once(job_id, undisturbed.archive(spec))
    assert fleet.leases_run_out() >= kills // 3, "the kills hit nothing"
