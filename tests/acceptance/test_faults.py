"""What happens when processes die, messages come twice and users change their minds."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import redis

from api.models import Job as JobRow
from api.queue import QUEUE, make_celery
from embedded.process import ChildProcess
from embedded.service import Service, command
from td3client import Client, Job, RunFailedError
from tests.support.specs import SMALL_SPEC, with_outer_steps

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


def test_cancelling_ends_a_run_long_before_its_end(client: Client, small_log: Path) -> None:
    job_id = client.submit(small_log, with_outer_steps(100_000))["id"]
    wait_for_stage(client, job_id, "distilling")
    assert client.cancel(job_id)["state"] == "cancelling"
    with pytest.raises(RunFailedError, match="cancelled"):
        list(client.wait(job_id, poll=0.05))
    job = client.job(job_id)
    assert (job["state"], job["summary"]) == ("cancelled", None)
    assert job["step"] < 1000  # of a hundred thousand


def wait_until(happens: Callable[[], bool], *, within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not happens():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_messages_that_come_again_run_nothing_twice(
    service: Service, client: Client, small_log: Path, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        broker = stack.enter_context(redis.Redis.from_url(service.environment["TD3_BROKER_URL"]))
        celery = stack.enter_context(make_celery(service.environment["TD3_BROKER_URL"]))
        idle = ChildProcess("idle", command("worker"), log=tmp_path / "idle.log", env=service.environment)
        stack.callback(idle.stop, grace=30)
        wait_until(lambda: broker.info("clients")["blocked_clients"] == 2)

        def repeat_message(job_id: str) -> None:
            for _ in range(2):
                celery.send_task(JobRow.task, kwargs={"run_id": job_id})
            wait_until(lambda: broker.llen(QUEUE) == 0)

        long_id = client.submit(small_log, with_outer_steps(100_000))["id"]
        wait_for_stage(client, long_id, "distilling")
        repeat_message(long_id)
        assert (client.job(long_id)["state"], client.job(long_id)["attempt"]) == ("running", 1)
        client.cancel(long_id)

        *_, done = client.wait(client.submit(small_log, SMALL_SPEC)["id"], poll=0.1)
        repeat_message(done["id"])
        # Another job ends after them, so the workers are done with them too.
        list(client.wait(client.submit(small_log, SMALL_SPEC, force=True)["id"], poll=0.1))
        assert client.job(done["id"]) == done
        assert (client.job(long_id)["state"], client.job(long_id)["attempt"]) == ("cancelled", 1)
