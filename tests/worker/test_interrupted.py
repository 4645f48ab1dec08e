"""Real workers that are killed, stopped and paused in the middle of a job: it goes on, and ends with the same bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import torch
from sqlalchemy import select

from api.db import Database
from api.models import Event
from api.settings import Settings
from embedded.process import ChildProcess
from td3core import DistillationRun
from td3core.config import JobSpec
from tests.support.claims import expire_lease
from tests.support.events import kinds
from tests.support.interaction_logs import LOG
from tests.support.jobs import job
from tests.support.keepers import keepers
from tests.support.specs import SHORT_SPEC, WORKER_SPEC
from tests.support.submissions import submit
from tests.support.waiting import wait_until
from tests.support.workers import Workers

SECONDS = 240.0
LONG = {
    **WORKER_SPEC,
    "certificate": {"learners": 0},
    "outer": {"steps": 200, "validate_every": 50, "validation_learners": 1},
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.parametrize("migrated_url", ["postgres"], indirect=True),
]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A lease that no worker loses by being slow; the test ends that of the worker that it kills."""
    brisk = {"heartbeat_seconds": 1.0, "sweep_seconds": 0.2, "checkpoint_seconds": 0.2, "device": "cpu"}
    return settings.model_copy(update=brisk)


@pytest.fixture
def undisturbed(tmp_path: Path) -> bytes:
    """The archive of the long job, made here in one go."""
    (tmp_path / "log.csv").write_text(LOG)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    run = DistillationRun(
        tmp_path / "log.csv", JobSpec.model_validate(LONG), log_name="log.csv", device=torch.device("cpu")
    )
    list(run)
    torch.set_num_threads(threads)
    run.save(tmp_path / "undisturbed.zip")
    return (tmp_path / "undisturbed.zip").read_bytes()


def restored(database: Database, run_id: str) -> list[float]:
    """How far each attempt was when it took the job up."""
    with database.reading() as session:
        events = session.scalars(
            select(Event).where(Event.run_id == run_id, Event.kind == "restored").order_by(Event.seq)
        ).all()
    return [event.data["progress"] for event in events]


@contextmanager
def attempt(database: Database, workers: Workers, run_id: str, number: int) -> Iterator[ChildProcess]:
    """A worker of its own for this attempt, in the middle of the distillation."""
    worker = workers.start(f"worker-{number}")

    def arrived() -> bool:
        row = job(database, run_id)
        assert not row.state.ended, row.error
        further = row.progress > max(restored(database, run_id), default=0.0)
        return (row.stage, row.attempt) == ("distilling", number) and further

    wait_until(arrived, seconds=SECONDS)
    yield worker


def test_a_job_that_is_interrupted_in_every_way_ends_with_the_same_bytes(
    api: httpx.Client, database: Database, settings: Settings, workers: Workers, undisturbed: bytes
) -> None:
    with keepers(settings):
        job_id = submit(api, spec=LONG).json()["id"]
        with attempt(database, workers, job_id, 1) as worker:
            wait_until(lambda: "checkpoint" in kinds(database, job_id), seconds=SECONDS)
            worker.kill()
            expire_lease(database, job_id)
        with attempt(database, workers, job_id, 2) as worker:
            worker.stop(grace=60)
            assert job(database, job_id).state == "queued"
            assert kinds(database, job_id)[-2:] == ["checkpoint", "handed_back"]
        with attempt(database, workers, job_id, 3):
            assert api.post(f"/jobs/{job_id}/pause").json()["state"] == "pausing"
            wait_until(lambda: job(database, job_id).state == "paused", seconds=SECONDS)
            assert kinds(database, job_id)[-2:] == ["checkpoint", "paused"]
            assert api.post(f"/jobs/{job_id}/resume").json()["state"] == "queued"
            wait_until(lambda: job(database, job_id).state.ended, seconds=SECONDS)
        row = job(database, job_id)
        assert (row.state, row.attempt, row.crashes) == ("succeeded", 4, 0), row.error
        assert api.get(f"/jobs/{job_id}/summary").content == undisturbed
        found = restored(database, job_id)
        assert len(found) == 3
        assert 0 < found[0] < found[1] < found[2] < 1
        checkpoints = Path(settings.storage_url.removeprefix("file://")) / "default" / "checkpoints"
        wait_until(lambda: not list(checkpoints.iterdir()), seconds=SECONDS)


def test_a_job_that_makes_room_for_an_urgent_one_ends_with_the_same_bytes(
    api: httpx.Client, database: Database, settings: Settings, workers: Workers, undisturbed: bytes
) -> None:
    with keepers(settings.model_copy(update={"preempt_after_seconds": 0})):
        job_id = submit(api, spec=LONG, priority="low").json()["id"]
        with attempt(database, workers, job_id, 1):
            urgent = submit(api, spec=SHORT_SPEC, priority="high").json()["id"]
            wait_until(lambda: job(database, urgent).state.ended, seconds=SECONDS)
            wait_until(lambda: job(database, job_id).state.ended, seconds=SECONDS)
    first, second = job(database, urgent), job(database, job_id)
    assert (first.state, first.attempt) == ("succeeded", 1), first.error
    assert (second.state, second.attempt, second.crashes) == ("succeeded", 2, 0), second.error
    assert kinds(database, job_id).count("preempted") == 1
    assert first.finished_at is not None
    assert second.finished_at is not None
    assert first.finished_at < second.finished_at
    (found,) = restored(database, job_id)
    assert 0 < found < 1
    assert api.get(f"/jobs/{job_id}/summary").content == undisturbed


HUGE = {
    **SHORT_SPEC,
    "learner": {"embedding_size": 512, "inner_size": 1024, "max_length": 50},
    "summary": {"users": 1000, "length": 50},
}


def test_a_run_that_wants_too_much_memory_fails_and_the_next_one_succeeds(
    api: httpx.Client, database: Database, settings: Settings, workers: Workers
) -> None:
    worker = workers.start("only", TD3_RUN_MEMORY_BYTES="600MiB")
    huge, modest = (submit(api, spec=spec).json()["id"] for spec in (HUGE, SHORT_SPEC))
    wait_until(lambda: job(database, modest).state.ended, seconds=SECONDS)
    failed, succeeded = job(database, huge), job(database, modest)
    detail = "The run needs more memory than the limit of 600.0MiB."
    assert failed.error == {"code": "out_of_memory", "detail": detail}, worker.log_tail()
    assert (succeeded.state, succeeded.error) == ("succeeded", None), worker.log_tail()
