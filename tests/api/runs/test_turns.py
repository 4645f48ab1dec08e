import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from api.db import Database, now
from api.ids import new_id
from api.models import DeviceUse, Evaluation, Job, Priority, RunState
from api.runs import claims, shares, turns
from api.runs.claims import Claim
from tests.support.claims import LEASE, claim_next, end_after, expire_lease, sweep
from tests.support.jobs import add_job, add_project, job, outbox_ids


def add(database: Database, *tenants: str, priority: Priority = Priority.NORMAL) -> list[str]:
    """Queue a job of each of these projects, in this order."""
    with database.transaction() as session:
        return [add_job(session, tenant_id=tenant, priority=priority).id for tenant in tenants]


def add_projects(database: Database, **weights: float) -> None:
    with database.transaction() as session:
        for project_id, weight in weights.items():
            add_project(session, project_id, weight=weight)


def take(database: Database, number: int, *, seconds: float = 10) -> list[str]:
    """Claim and end so many runs, one after the other, and return their ids."""
    taken: list[str] = []
    for _ in range(number):
        held = claim_next(database)
        assert held is not None
        end_after(database, held, seconds)
        taken.append(held.run_id)
    return taken


def used(database: Database) -> dict[str, float]:
    with database.reading() as session:
        return dict(session.execute(select(DeviceUse.tenant_id, DeviceUse.seconds)).all())


def test_nothing_is_claimed_where_nothing_waits(database: Database) -> None:
    assert claim_next(database) is None


def test_a_project_takes_its_jobs_in_the_order_of_their_age(database: Database) -> None:
    queued = add(database, *["default"] * 5)
    assert take(database, 5) == queued
    assert claim_next(database) is None


def test_the_one_job_of_a_project_is_next_though_another_has_five_hundred(database: Database) -> None:
    add_projects(database, many=1, one=1)
    many = add(database, *["many"] * 500)
    assert take(database, 1) == many[:1]
    (one,) = add(database, "one")
    assert take(database, 2) == [one, many[1]]


def test_a_run_that_goes_on_counts_at_once(database: Database) -> None:
    add_projects(database, long=1, short=1)
    add(database, "long", "long", "short")
    first = claim_next(database)
    assert first is not None
    assert job(database, first.run_id).tenant_id == "long"
    second = claim_next(database)
    assert second is not None
    assert job(database, second.run_id).tenant_id == "short"


def test_idle_workers_do_not_all_turn_to_the_project_that_has_used_least(database: Database) -> None:
    add_projects(database, a=1, b=1)
    add(database, "a", "b")
    take(database, 2, seconds=100)
    add(database, *["a"] * 4, *["b"] * 4)
    with database.transaction() as session:
        session.execute(
            update(DeviceUse).where(DeviceUse.tenant_id == "a").values(seconds=DeviceUse.seconds - 10)
        )
    held = [claim_next(database) for _ in range(4)]
    projects = Counter(job(database, claim.run_id).tenant_id for claim in held if claim)
    assert projects == {"a": 2, "b": 2}


def test_a_higher_class_goes_first_whatever_its_project_has_used(database: Database) -> None:
    add_projects(database, idle=1, busy=1)
    add(database, "busy")
    take(database, 1, seconds=1000)
    low = add(database, "idle", priority=Priority.LOW)
    normal = add(database, "idle")
    high = add(database, "busy", priority=Priority.HIGH)
    assert take(database, 3) == [*high, *normal, *low]


def test_jobs_and_evaluations_wait_in_one_queue(database: Database) -> None:
    first, third = add(database, "default", "default")
    with database.transaction() as session:
        evaluated = session.get_one(Job, first)
        evaluation = Evaluation(
            id=new_id("eval"), tenant_id="default", created_at=evaluated.created_at, job_id=first, spec={}
        )
        session.add(evaluation)
        session.get_one(Job, third).created_at += timedelta(seconds=1)
        second = evaluation.id
        evaluation.created_at += timedelta(seconds=0.5)
    held = [claim_next(database) for _ in range(3)]
    assert held == [Claim(Job, first, 1), Claim(Evaluation, second, 1), Claim(Job, third, 1)]


def test_a_run_that_is_handed_back_is_next_again(database: Database) -> None:
    older, newer = add(database, "default", "default")
    held = claim_next(database)
    assert held is not None
    assert held == Claim(Job, older, 1)
    with database.transaction() as session:
        claims.hand_back(session, held)
    assert claim_next(database) == Claim(Job, older, 2)
    assert claim_next(database) == Claim(Job, newer, 1)


def test_what_a_claim_takes_is_charged_however_it_ends(database: Database) -> None:
    for end in ("succeed", "fail", "hand back", "cancel", "vanish"):
        (run_id,) = add(database, "default")
        before = used(database).get("default", 0.0)
        held = claim_next(database)
        assert held is not None
        with database.transaction() as session:
            run = session.get_one(Job, run_id)
            assert run.claimed_at is not None
            run.claimed_at -= timedelta(seconds=100)
            if end == "cancel":
                run.state = RunState.CANCELLING
        if end == "vanish":
            expire_lease(database, run_id)
            assert sweep(database, max_attempts=1).failed == [run_id]
        else:
            with database.transaction() as session:
                if end == "succeed":
                    claims.succeed(session, held)
                elif end == "fail":
                    claims.fail(session, held, {"code": "bad", "detail": "bad"})
                elif end == "cancel":
                    claims.cancelled(session, held)
                else:
                    claims.hand_back(session, held)
        assert 99 < used(database)["default"] - before < 160, end
        with database.transaction() as session:
            session.get_one(Job, run_id).state = RunState.CANCELLED


def test_use_halves_in_an_hour(database: Database) -> None:
    add_projects(database, former=1, now=1)
    add(database, "former")
    take(database, 1, seconds=1000)
    with database.transaction() as session:
        session.execute(update(DeviceUse).values(at=now(session) - shares.HALF_LIFE))
    add(database, "now")
    take(database, 1, seconds=510)
    queued = add(database, "now", "former")
    with database.reading() as session:
        assert 495 < turns.read(session, at=now(session)).uses["former"].seconds < 501
    assert take(database, 1) == queued[1:]


WEIGHTS = (0.5, 1, 1, 1, 1.5, 2, 2, 3, 4, 4)
LENGTHS = (10, 30, 5, 60, 10, 10, 20, 30, 10, 40)
"""Seconds that a run of each project takes."""


def test_projects_get_the_seconds_that_their_weights_say(database: Database) -> None:
    """Two workers; all projects have more runs than they get to; those of some take much longer than of others."""
    names = [f"proj_{number}" for number in range(10)]
    lengths = dict(zip(names, LENGTHS, strict=True))
    add_projects(database, **dict(zip(names, WEIGHTS, strict=True)))
    runs = 150
    add(database, *names * (runs // 3))
    busy = [claim_next(database, worker="w1"), claim_next(database, worker="w2")]
    seconds: Counter[str] = Counter()
    for number in range(runs):
        held = busy[number % 2]
        assert held is not None
        project = job(database, held.run_id).tenant_id
        end_after(database, held, lengths[project])
        seconds[project] += lengths[project]
        busy[number % 2] = claim_next(database, worker=f"w{number % 2 + 1}")
    for name, weight in zip(names, WEIGHTS, strict=True):
        got, due = seconds[name], sum(seconds.values()) * weight / sum(WEIGHTS)
        assert abs(got - due) <= max(0.1 * due, lengths[name]), (name, got, due)


def test_workers_that_claim_at_once_claim_each_run_once(database: Database) -> None:
    add_projects(database, a=1, b=1)
    queued = add(database, *["a", "b"] * 12)
    together = threading.Barrier(8)

    def take_all(number: int) -> list[str]:
        together.wait()
        taken: list[str] = []
        while held := claim_next(database, worker=f"w{number}"):
            taken.append(held.run_id)
        return taken

    with ThreadPoolExecutor(8) as pool:
        taken = [run_id for found in pool.map(take_all, range(8)) for run_id in found]
    assert sorted(taken) == sorted(queued)
    assert outbox_ids(database) == []


@pytest.mark.parametrize("migrated_url", ["postgres"], indirect=True)
def test_a_run_that_another_transaction_holds_is_passed_over(database: Database) -> None:
    first, second = add(database, "default", "default")
    with database.transaction() as session:
        session.scalars(select(Job).where(Job.id == first).with_for_update(of=Job)).one()
        assert claim_next(database) == Claim(Job, second, 1)


@pytest.mark.parametrize("migrated_url", ["postgres"], indirect=True)
def test_a_worker_waits_for_the_last_run_while_another_transaction_holds_it(database: Database) -> None:
    (only,) = add(database, "default")
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as session:
            session.scalars(select(Job).where(Job.id == only).with_for_update(of=Job)).one()
            claim = pool.submit(claim_next, database)
            with pytest.raises(TimeoutError):
                claim.result(timeout=0.5)
        assert claim.result(timeout=60) == Claim(Job, only, 1)


def test_a_worker_that_is_woken_for_a_run_in_vain_knows_it(database: Database, queued_job: str) -> None:
    def claimable(run_id: str) -> bool:
        with database.reading() as session:
            return claims.claimable(session, Job, run_id, max_attempts=3)

    assert claimable("job_unknown"), "another run waits"
    with database.transaction() as session:
        assert claims.claim_next(session, worker="w1", lease=LEASE)
    assert not claimable("job_unknown")
    assert not claimable(queued_job)
