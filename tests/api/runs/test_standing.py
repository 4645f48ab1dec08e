from datetime import timedelta

import httpx
import pytest
from sqlalchemy import update

from api.db import Database, now
from api.models import Job, Priority, Worker
from api.runs import claims
from api.runs.standing import Reason, Standing, standings
from api.workers.service import Identity, beat
from tests.support.claims import LEASE, claim_next, end_after
from tests.support.jobs import add_job, add_project, job
from tests.support.submissions import submit

MINUTE = timedelta(minutes=1)


def add(database: Database, *tenants: str, priority: Priority = Priority.NORMAL) -> list[str]:
    with database.transaction() as session:
        return [add_job(session, tenant_id=tenant, priority=priority).id for tenant in tenants]


def add_projects(database: Database, **weights: float) -> None:
    with database.transaction() as session:
        for project_id, weight in weights.items():
            add_project(session, project_id, weight=weight)


def use(database: Database, tenant: str, seconds: float) -> None:
    """Let a project have used so many seconds in one run."""
    (run_id,) = add(database, tenant)
    with database.transaction() as session:
        held = claims.claim(session, Job, run_id, worker="gone", lease=LEASE, max_attempts=3)
    assert held is not None
    end_after(database, held, seconds)


def alive(database: Database, worker: str) -> None:
    with database.transaction() as session:
        beat(session, Identity(worker, host="h", pid=1, queues=["cpu"], device="cpu", version="0"))


def stand(database: Database) -> dict[str, Standing]:
    with database.reading() as session:
        jobs = session.query(Job).all()
        return standings(session, jobs, silent_after=MINUTE)


def order(database: Database) -> list[str]:
    """The queued jobs by their positions, of which each is there once."""
    found = sorted(stand(database).items(), key=lambda item: item[1].position)
    assert [standing.position for _, standing in found] == list(range(1, len(found) + 1))
    return [run_id for run_id, _ in found]


def test_the_positions_are_those_in_which_runs_begin(database: Database) -> None:
    """Three projects and two classes; each claim is held as long as usual."""
    add_projects(database, a=1, b=2, c=1)
    for tenant, seconds in (("a", 100), ("b", 100), ("c", 101), ("c", 102)):
        use(database, tenant, seconds)
    add(database, *"aaabbbbcc")
    add(database, *"ca", priority=Priority.HIGH)
    expected = order(database)
    begun: list[str] = []
    usual = (100 + 100 + 101 + 102) / 4
    while held := claim_next(database):
        begun.append(held.run_id)
        end_after(database, held, usual)
    assert begun == expected


def test_without_a_worker_a_run_waits_for_one(database: Database, queued_job: str) -> None:
    assert stand(database) == {queued_job: Standing(1, Reason.NO_WORKER, None)}
    alive(database, "w1")
    assert stand(database)[queued_job].reason == "starting"
    with database.transaction() as session:
        session.get_one(Worker, "w1").seen_at -= 2 * MINUTE
    assert stand(database)[queued_job].reason == "no_worker"


def test_a_run_that_is_not_queued_does_not_wait(database: Database, queued_job: str) -> None:
    claim_next(database)
    assert stand(database) == {}
    assert job(database, queued_job).state == "running"


def test_the_reason_is_what_goes_first(database: Database) -> None:
    add_projects(database, a=1, b=1)
    use(database, "a", 100)
    alive(database, "w1")
    running, *waiting = add(database, "a", "a", "a")
    assert claim_next(database, worker="w1") is not None
    assert job(database, running).state == "running"
    assert [stand(database)[run_id].reason for run_id in waiting] == ["workers_busy"] * 2
    (other,) = add(database, "b")
    found = stand(database)
    assert [found[run_id].reason for run_id in (other, *waiting)] == ["workers_busy", *["project_share"] * 2]
    add(database, "a", priority=Priority.HIGH)
    assert {stand(database)[run_id].reason for run_id in (other, *waiting)} == {"behind_priority"}


def test_the_start_is_expected_from_what_runs_took(database: Database) -> None:
    use(database, "default", 100)
    alive(database, "w1")
    alive(database, "w2")
    queued = add(database, *["default"] * 5)
    first, second = claim_next(database, worker="w1"), claim_next(database, worker="w2")
    assert first is not None
    assert second is not None
    with database.transaction() as session:
        at = now(session)
        session.execute(update(Job).where(Job.id == first.run_id).values(eta_seconds=40.0))
        session.execute(
            update(Job).where(Job.id == second.run_id).values(claimed_at=at - timedelta(seconds=30))
        )
    found = stand(database)
    starts = [found[run_id].expected_start for run_id in queued[2:]]
    assert None not in starts
    seconds = [(start - at).total_seconds() for start in starts if start]
    assert seconds == pytest.approx([40, 70, 140], abs=20)


def test_clients_see_where_a_run_stands(api: httpx.Client, database: Database, finished_job: str) -> None:
    first, second = (submit(api, spec={"seed": seed}).json() for seed in (1, 2))
    assert first["queue"] is None
    waits = {"position": 2, "reason": "no_worker", "expected_start": None}
    assert api.get(f"/jobs/{second['id']}").json()["queue"] == waits
    listed = {item["id"]: item["queue"] for item in api.get("/jobs").json()["items"]}
    assert listed == {
        first["id"]: waits | {"position": 1},
        second["id"]: waits,
        finished_job: None,
    }
    evaluation = api.post(f"/jobs/{finished_job}/evaluations", params={"priority": "high"}).json()
    assert api.get(evaluation["links"]["self"]).json()["queue"] == waits | {"position": 1}
    assert api.get(f"/jobs/{second['id']}").json()["queue"] == waits | {"position": 3}
    assert api.post(f"/jobs/{second['id']}/cancel").json()["queue"] is None
