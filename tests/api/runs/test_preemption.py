from datetime import timedelta

from sqlalchemy import update

from api.db import Database, now
from api.models import Job, Priority, RunState, Worker
from api.runs import claims
from api.runs.claims import Claim
from api.runs.events import EventKind
from api.runs.preemption import make_room
from api.workers.service import Identity, beat
from tests.support.claims import cancel, claim_next, claimed
from tests.support.events import kinds
from tests.support.jobs import add_job, job

LOW, NORMAL, HIGH = Priority.LOW, Priority.NORMAL, Priority.HIGH
MINUTE = timedelta(minutes=1)


def add(database: Database, *classes: Priority) -> list[str]:
    with database.transaction() as session:
        return [add_job(session, priority=priority).id for priority in classes]


def start(database: Database, *classes: Priority, ago: int = 1000) -> list[Claim]:
    """Runs of these classes that workers of their own have begun, each a second after the one before."""
    found: list[Claim] = []
    for number, priority in enumerate(classes):
        (run_id,) = add(database, priority)
        held = claimed(database, run_id)
        worker = Identity(f"w-{run_id}", host="h", pid=1, queues=["cpu"], device="cpu", version="0")
        with database.transaction() as session:
            at = now(session) - timedelta(seconds=ago - number)
            session.execute(update(Job).where(Job.id == run_id).values(claimed_at=at, worker=worker.id))
            beat(session, worker)
        found.append(held)
    return found


def room(database: Database) -> list[str]:
    with database.transaction() as session:
        return make_room(session, silent_after=MINUTE, begun_before=MINUTE)


def test_the_run_of_the_lowest_class_that_was_begun_last_makes_room(database: Database) -> None:
    normal, older, newer, _ = start(database, NORMAL, LOW, LOW, HIGH)
    add(database, HIGH)
    assert room(database) == [newer.run_id]
    assert room(database) == [], "one is enough for one that waits"
    add(database, NORMAL)
    assert room(database) == [older.run_id]
    add(database, NORMAL)
    assert room(database) == [], "nothing is lower than what waits"
    add(database, HIGH, HIGH)
    assert room(database) == [normal.run_id]


def test_none_makes_room_for_its_own_class_or_a_lower_one(database: Database) -> None:
    start(database, NORMAL, HIGH)
    add(database, LOW, NORMAL)
    assert room(database) == []


def test_none_makes_room_while_a_worker_is_free(database: Database) -> None:
    (held,) = start(database, LOW)
    with database.transaction() as session:
        beat(session, Identity("free", host="h", pid=1, queues=["cpu"], device="cpu", version="0"))
    add(database, HIGH)
    assert room(database) == []
    with database.transaction() as session:
        session.get_one(Worker, "free").seen_at -= timedelta(hours=1)
    assert room(database) == [held.run_id], "a worker that is silent is not free"


def test_a_run_that_was_just_begun_is_left_alone(database: Database) -> None:
    start(database, LOW, ago=10)
    add(database, HIGH)
    assert room(database) == []


def test_what_has_made_room_is_queued_again_and_nothing_is_charged_to_it(database: Database) -> None:
    (held,) = start(database, LOW)
    (urgent,) = add(database, HIGH)
    with database.transaction() as session:
        assert not claims.must_yield(session, held)
    assert room(database) == [held.run_id]
    with database.transaction() as session:
        assert claims.must_yield(session, held)
        assert claims.hand_back(session, held, kind=EventKind.PREEMPTED) is RunState.QUEUED
    assert kinds(database, held.run_id)[-1] == "preempted"
    assert job(database, held.run_id).crashes == 0
    assert claim_next(database) == Claim(Job, urgent, 1)
    again = claim_next(database)
    assert again is not None
    assert again == Claim(Job, held.run_id, 2)
    with database.transaction() as session:
        assert not claims.must_yield(session, again)


def test_a_client_that_cancels_goes_before(database: Database) -> None:
    (held,) = start(database, LOW)
    add(database, HIGH)
    assert room(database) == [held.run_id]
    cancel(database, held.run_id)
    with database.transaction() as session:
        assert claims.hand_back(session, held, kind=EventKind.PREEMPTED) is RunState.CANCELLED
