"""Real workers against a real broker and PostgreSQL: the production profile on one machine."""

import signal
from pathlib import Path

import httpx
import psutil
import pytest
import torch

from api.db import Database
from api.models import Job
from api.settings import Settings
from embedded.process import ChildProcess
from tests.support.jobs import job
from tests.support.keepers import keepers
from tests.support.specs import SHORT_SPEC, WORKER_SPEC
from tests.support.submissions import submit
from tests.support.waiting import wait_until
from tests.support.workers import Workers

ENDLESS = {**WORKER_SPEC, "outer": {"steps": 100_000, "validate_every": 100_000, "validation_learners": 1}}

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("migrated_url", ["postgres"], indirect=True)]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A worker that vanishes is noticed in seconds."""
    brisk = {"lease_seconds": 3.0, "heartbeat_seconds": 0.5, "sweep_seconds": 0.2, "torch_threads": 1}
    return settings.model_copy(update=brisk)


def family(worker: ChildProcess) -> list[psutil.Process]:
    main = psutil.Process(worker.pid)
    return [main, *main.children(recursive=True)]


def is_distilling(row: Job, attempt: int) -> bool:
    assert not row.state.ended, row.error
    return (row.stage, row.attempt) == ("distilling", attempt) and row.step > 0


def listed(api: httpx.Client) -> dict[str, tuple[str, list[str]]]:
    """State and runs of each worker."""
    return {worker["id"]: (worker["state"], worker["runs"]) for worker in api.get("/workers").json()["items"]}


def test_a_worker_that_was_stopped_past_its_lease_is_ignored_when_it_wakes(
    api: httpx.Client, database: Database, settings: Settings, workers: Workers
) -> None:
    with keepers(settings):
        first = workers.start("first")
        job_id = submit(api, spec=ENDLESS).json()["id"]
        wait_until(lambda: is_distilling(job(database, job_id), 1), seconds=120)
        first_process = job(database, job_id).worker
        assert listed(api) == {first_process: ("alive", [job_id])}
        has_gpu = [worker["gpu"] is not None for worker in api.get("/workers").json()["items"]]
        assert has_gpu == [torch.cuda.is_available()]
        stopped = family(first)
        for process in stopped:
            process.send_signal(signal.SIGSTOP)
        second = workers.start("second")
        wait_until(lambda: is_distilling(job(database, job_id), 2), seconds=120)
        second_process = job(database, job_id).worker
        wait_until(
            lambda: listed(api) == {first_process: ("silent", []), second_process: ("alive", [job_id])}
        )
        for process in stopped:
            process.send_signal(signal.SIGCONT)
        wait_until(lambda: "run.lease_lost" in first.log_tail(), seconds=30)
        row = job(database, job_id)
        assert (row.state, row.attempt, row.worker, row.crashes) == ("running", 2, second_process, 1)
        assert api.post(f"/jobs/{job_id}/cancel").json()["state"] == "cancelling"
        wait_until(lambda: job(database, job_id).state == "cancelled")
        second.stop(grace=30)
        assert listed(api) == {first_process: ("alive", []), second_process: ("stopped", [])}
    assert list(settings.work_dir.iterdir()) == []


def test_a_worker_killed_while_cancelling_leaves_it_to_the_keeper(
    api: httpx.Client, database: Database, settings: Settings, workers: Workers
) -> None:
    with keepers(settings):
        worker = workers.start("first")
        job_id = submit(api, spec=ENDLESS).json()["id"]
        wait_until(lambda: is_distilling(job(database, job_id), 1), seconds=120)
        processes = family(worker)
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        assert api.post(f"/jobs/{job_id}/cancel").json()["state"] == "cancelling"
        worker.kill()  # its child, which is stopped, ends with it
        _, alive = psutil.wait_procs(processes[1:], timeout=5)
        assert alive == []
        wait_until(lambda: job(database, job_id).state == "cancelled", seconds=30)


def test_from_the_log_to_the_summary_and_its_evaluation(
    api: httpx.Client, database: Database, settings: Settings, workers: Workers
) -> None:
    worker = workers.start("only")
    job_id = submit(api, spec=SHORT_SPEC).json()["id"]
    wait_until(lambda: job(database, job_id).state.ended, seconds=120)
    done = api.get(f"/jobs/{job_id}").json()
    assert (done["state"], done["progress"], done["error"]) == ("succeeded", 1.0, None), worker.log_tail()
    assert "valid_ndcg@10" in done["metrics"]["summary"]
    archive = api.get(done["summary"]["href"]).content
    assert (len(archive), archive[:2]) == (done["summary"]["bytes"], b"PK")
    evaluation = {"seeds": 1, "steps": 5, "sources": ["summary", "floor"], "cutoffs": [10]}
    href = api.post(f"/jobs/{job_id}/evaluations", json=evaluation).headers["location"]
    wait_until(lambda: bool(api.get(href).json()["finished_at"]), seconds=120)
    results = api.get(href).json()["results"]["sasrec"]
    assert set(results) == {"summary", "floor"}
    assert len(results["summary"]["ndcg@10"]["values"]) == 1
    assert list(settings.work_dir.iterdir()) == []


@pytest.mark.skipif(any(Path("/dev").glob("nvidia[0-9]*")), reason="this machine has a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_worker_whose_gpu_is_not_there_says_so_and_takes_no_run(
    api: httpx.Client, database: Database, workers: Workers, device: str
) -> None:
    job_id = submit(api).json()["id"]
    worker = workers.start("only", TD3_DEVICE=device)
    assert worker.wait(60) == 1
    assert f"error: TD3_DEVICE='{device}': torch finds no such GPU" in worker.log_tail()
    assert (job(database, job_id).state, job(database, job_id).attempt) == ("queued", 0)
