import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from api.db import Database
from api.errors import LeaseLostError
from api.models import Event, Job, RunState
from api.runs import claims
from api.runs.events import EventKind, record
from api.runs.sweep import sweep_expired
from tests.support.claims import WRITES, cancel, claim, claimed, expire_lease, report, sweep
from tests.support.events import log_of
from tests.support.jobs import job


def kinds(database: Database, run_id: str) -> list[tuple[str, int]]:
    return [(event.kind, event.attempt) for event in log_of(database, run_id)]


def test_the_log_tells_the_whole_story_in_order(database: Database, queued_job: str) -> None:
    held = claimed(database, queued_job)
    with database.transaction() as session:
        claims.hand_back(session, held)
    held = claimed(database, queued_job)
    with database.transaction() as session:
        report(session, held)  # is no event
    with database.transaction() as session:
        claims.record(session, held, EventKind.WARNING, code="slow", detail="The disk is nearly full.")
    with database.transaction() as session:
        claims.succeed(session, held, metrics={})
    assert kinds(database, queued_job) == [
        ("claimed", 1),
        ("handed_back", 1),
        ("claimed", 2),
        ("warning", 2),
        ("succeeded", 2),
    ]
    events = log_of(database, queued_job)
    assert [event.seq for event in events] == [1, 2, 3, 4, 5]
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert events[3].data == {"code": "slow", "detail": "The disk is nearly full."}


def test_a_report_is_an_event_if_it_says_so(database: Database, queued_job: str) -> None:
    held = claimed(database, queued_job)
    progress = {
        "stage": "distilling",
        "progress": 0.5,
        "step": 3,
        "steps": 6,
        "losses": {"outer": 1.5},
        "scores": {"ndcg@10": 0.2},
        "eta_seconds": 9.0,
    }
    with database.transaction() as session:
        claims.report(session, held, **progress, event=EventKind.METRICS)  # type: ignore[arg-type]
    assert log_of(database, queued_job)[-1].data == progress


def test_a_failure_is_logged_with_its_error(database: Database, queued_job: str) -> None:
    held = claimed(database, queued_job)
    error = {"code": "diverged", "detail": "NaN"}
    with database.transaction() as session:
        claims.fail(session, held, error)
    assert log_of(database, queued_job)[-1].data == {"error": error}


@pytest.mark.parametrize("running", [False, True])
def test_a_cancel_is_logged_once(database: Database, queued_job: str, running: bool) -> None:
    held = claimed(database, queued_job) if running else None
    for _ in range(2):
        cancel(database, queued_job)
    if held:
        with database.transaction() as session:
            claims.succeed(session, held, metrics={})
    expected = ["claimed", "cancelling", "cancelled"] if running else ["cancelled"]
    assert [kind for kind, _ in kinds(database, queued_job)] == expected


@pytest.mark.parametrize("write", [*WRITES, "record"])
def test_a_superseded_attempt_logs_nothing(database: Database, queued_job: str, write: str) -> None:
    writes = WRITES | {"record": lambda session, held: claims.record(session, held, EventKind.WARNING)}
    stale = claimed(database, queued_job)
    expire_lease(database, queued_job)
    claimed(database, queued_job)
    before = kinds(database, queued_job)
    with pytest.raises(LeaseLostError), database.transaction() as session:
        writes[write](session, stale)
    assert kinds(database, queued_job) == before == [("claimed", 1), ("lease_expired", 1), ("claimed", 2)]


def test_what_is_rolled_back_never_happened(database: Database, queued_job: str) -> None:
    def fail() -> None:
        with database.transaction() as session:
            record(session, Job, queued_job, EventKind.WARNING)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert log_of(database, queued_job) == []


def test_writers_at_once_leave_no_gap_and_no_double(database: Database, queued_job: str) -> None:
    """And whoever reads along sees each event exactly once, asking only for what comes after the last."""
    held = claimed(database, queued_job)
    seen: list[int] = [1]
    done = threading.Event()

    def write(number: int) -> None:
        for _ in range(5):
            with database.transaction() as session:
                claims.record(session, held, EventKind.WARNING, number=number)

    def read() -> None:
        while True:
            ended = done.is_set()
            with database.reading() as session:
                news = select(Event.seq).where(Event.run_id == queued_job, Event.seq > seen[-1])
                seen.extend(session.scalars(news.order_by(Event.seq)))
            if ended:
                return

    with ThreadPoolExecutor(7) as pool:
        reader = pool.submit(read)
        list(pool.map(write, range(6)))
        done.set()
        reader.result()
    assert seen == list(range(1, 32))


def test_a_run_given_up_lists_what_became_of_each_attempt(database: Database, queued_job: str) -> None:
    """The second attempt was handed back, so it is none of them; the third was taken over by a claim."""
    held = claimed(database, queued_job)
    with database.transaction() as session:
        report(session, held)
    expire_lease(database, queued_job)
    assert sweep(database).requeued == [queued_job]
    held = claimed(database, queued_job)
    with database.transaction() as session:
        claims.hand_back(session, held)
    assert claim(database, queued_job, worker="w3")
    expire_lease(database, queued_job)
    assert claim(database, queued_job, worker="w4")
    expire_lease(database, queued_job)
    with database.transaction() as session:
        assert sweep_expired(session, Job, max_attempts=3).failed == [queued_job]
    row = job(database, queued_job)
    assert row.state is RunState.FAILED
    assert row.error is not None
    assert [(lost["attempt"], lost["worker"], lost["then"]) for lost in row.error["attempts"]] == [
        (1, "w1", "queued"),
        (3, "w3", "taken_over"),
        (4, "w4", "failed"),
    ]
    assert "in stage distilling, at step 3 of 6" in row.error["attempts"][0]["reason"]
    assert kinds(database, queued_job)[-2:] == [("lease_expired", 4), ("failed", 4)]
    assert log_of(database, queued_job)[-1].data == {"error": row.error}
