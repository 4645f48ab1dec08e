"""What happens when processes die, messages come twice and users change their minds."""

import time
from pathlib import Path

import psutil
import pytest
import redis

from api.models import Job as JobRow
from api.queue import QUEUE, make_celery
from embedded.process import ChildProcess
from embedded.service import Service, command
from td3client import Client, Job, RunFailedError
from tests.acceptance.conftest import SMALL_SPEC, with_outer_steps

pytestmark = pytest.mark.acceptance


def wait_for_stage(client: Client, job_id: str, stage: str) -> Job:
    for job in client.wait(job_id, poll=0.05):
        if job["stage"] == stage and job["step"]:
            return job
    raise AssertionError(f"{job_id} ended before it was {stage}")


def test_a_killed_workers_job_is_taken_up_by_another(
    service: Service, client: Client, small_log: Path
) -> None:
    job_id = client.submit(small_log, with_outer_steps(150))["id"]
    assert wait_for_stage(client, job_id, "distilling")["attempt"] == 1
    worker = service.children["worker"]
    family = psutil.Process(worker.pid).children(recursive=True)
    worker.kill()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
    service.start("worker")
    *_, job = client.wait(job_id, poll=0.1)
    assert (job["state"], job["attempt"]) == ("succeeded", 2)


def test_a_stopped_workers_job_is_handed_back_at_once(
    service: Service, client: Client, small_log: Path
) -> None:
    job_id = client.submit(small_log, with_outer_steps(150))["id"]
    wait_for_stage(client, job_id, "distilling")
    service.stop("worker")
    assert client.job(job_id)["state"] == "queued"
    service.start("worker")
    *_, job = client.wait(job_id, poll=0.1)
    assert job["state"] == "succeeded"


def test_cancelling_ends_a_run_within_a_step(client: Client, small_log: Path) -> None:
    job_id = client.submit(small_log, with_outer_steps(100_000))["id"]
    wait_for_stage(client, job_id, "distilling")
    assert client.cancel(job_id)["state"] == "cancelling"
    cancelled_at = time.monotonic()
    with pytest.raises(RunFailedError, match="cancelled"):
        list(client.wait(job_id, poll=0.05))
    assert time.monotonic() - cancelled_at < 5
    assert client.job(job_id)["summary"] is None


def test_messages_that_come_again_run_nothing_twice(
    service: Service, client: Client, small_log: Path, tmp_path: Path
) -> None:
    celery = make_celery(service.environment["TD3_BROKER_URL"])
    job_id = client.submit(small_log, with_outer_steps(60))["id"]
    wait_for_stage(client, job_id, "distilling")
    second = ChildProcess(
        "second worker", command("worker"), log=tmp_path / "second.log", env=service.environment
    )
    try:
        for _ in range(3):
            celery.send_task(JobRow.task, kwargs={"run_id": job_id})
        *_, done = client.wait(job_id, poll=0.1)
        celery.send_task(JobRow.task, kwargs={"run_id": job_id})
        # A job that runs after them shows that they were taken.
        list(client.wait(client.submit(small_log, SMALL_SPEC)["id"], poll=0.1))
        with redis.Redis.from_url(service.environment["TD3_BROKER_URL"]) as broker:
            assert broker.llen(QUEUE) == 0
        assert done["attempt"] == 1
        assert client.job(job_id) == done
    finally:
        second.stop(grace=30)
        celery.close()
