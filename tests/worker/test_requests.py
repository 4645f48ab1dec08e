"""Messages that have nothing to claim, in front of one that has, at a real worker and broker."""

import json

import httpx
import pytest

from api.db import Database
from api.models import Job
from api.queue import make_celery
from api.settings import Settings
from tests.support.jobs import job
from tests.support.specs import SHORT_SPEC
from tests.support.submissions import submit
from tests.support.waiting import wait_until
from tests.support.workers import Workers

pytestmark = pytest.mark.slow

CANCELLED = 40


def test_runs_that_were_cancelled_while_they_waited_take_no_child(
    api: httpx.Client, database: Database, settings: Settings, workers: Workers
) -> None:
    cancelled = [submit(api, spec={**SHORT_SPEC, "seed": seed}).json()["id"] for seed in range(CANCELLED)]
    for run_id in cancelled:
        assert api.post(f"/jobs/{run_id}/cancel").json()["state"] == "cancelled"
    good = submit(api, spec={**SHORT_SPEC, "seed": CANCELLED}).json()["id"]
    with make_celery(settings.required_broker_url) as celery:
        celery.send_task(Job.task, kwargs={"run_id": good})  # once more, after it
    worker = workers.start("only", TD3_LOG_FORMAT="json")
    wait_until(lambda: job(database, good).state.ended, seconds=120)
    assert (job(database, good).state, job(database, good).attempt) == ("succeeded", 1)

    def dropped() -> list[str]:
        lines = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
        return [line["logger"] for line in lines if line["event"] == "run.nothing_to_claim"]

    wait_until(lambda: len(dropped()) == CANCELLED + 1, seconds=30)
    assert set(dropped()) == {"worker.requests"}, "a child was started for nothing"
