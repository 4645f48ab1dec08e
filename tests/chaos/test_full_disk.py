"""A disk that is full while a job runs, and has space again."""

import shutil
from contextlib import suppress

import pytest
from sqlalchemy import select

from api.models import Event
from tests.support.fleet import PATIENCE, SHORT_LEASE, Fleet
from tests.support.small_disk import small_disk
from tests.support.undisturbed import Undisturbed, small_spec
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

EAGER = {**SHORT_LEASE, "TD3_CHECKPOINT_SECONDS": "0.2"}


def test_a_job_outlives_a_full_disk_and_its_worker_and_ends_when_space_is_back(
    fleet: Fleet, undisturbed: Undisturbed
) -> None:
    spec = small_spec(0, steps=60)
    with small_disk(fleet.storage_dir, bytes_=1 << 20) as disk:
        for name in ("worker-1", "keeper", "api"):
            fleet.start(name, **EAGER)
        job_id = fleet.submit(undisturbed.log, spec).json()["id"]
        wait_until(lambda: "checkpoint" in _events(fleet, job_id), seconds=PATIENCE)
        fleet.wait_for_step(job_id)

        ballast = disk / "ballast"

        def filled() -> bool:
            """It is full again, should an older checkpoint have made room, and the worker has noticed."""
            with suppress(OSError), ballast.open("ab", buffering=0) as file:
                file.write(bytes(shutil.disk_usage(disk).free))
            return "checkpoint.not_kept" in _warnings(fleet, job_id)

        wait_until(filled, seconds=PATIENCE)
        assert "No space left" in _warnings(fleet, job_id)["checkpoint.not_kept"]
        kept = {path: path.read_bytes() for path in disk.rglob("*/checkpoints/*")}
        other = fleet.folder / "other.csv"
        other.write_text(undisturbed.log.read_text().rstrip().rpartition("\n")[0])
        refused = fleet.submit(other, small_spec(1))
        assert (refused.status_code, refused.headers["content-type"]) == (507, "application/problem+json")

        fleet.kill("worker-1")
        fleet.start("worker-2", **EAGER)
        wait_until(
            lambda: "storage.waiting" in _warnings(fleet, job_id), seconds=PATIENCE
        )  # with the summary
        assert _events(fleet, job_id).count("restored") == 1
        assert {path: path.read_bytes() for path in kept} == kept
        assert fleet.job(job_id).state == "running"

        ballast.unlink()
        fleet.wait_for_all()
        fleet.check_succeeded_once(job_id, undisturbed.archive(spec))


def _events(fleet: Fleet, job_id: str) -> list[str]:
    with fleet.database.reading() as session:
        return list(session.scalars(select(Event.kind).where(Event.run_id == job_id).order_by(Event.seq)))


def _warnings(fleet: Fleet, job_id: str) -> dict[str, str]:
    """The last detail of each kind."""
    with fleet.database.reading() as session:
        warned = select(Event.data).where(Event.run_id == job_id, Event.kind == "warning").order_by(Event.seq)
        return {data["code"]: data["detail"] for data in session.scalars(warned)}
