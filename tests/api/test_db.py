import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError, StatementError

from api.db import Database, make_engine, now
from api.ids import new_id
from api.models import Dataset, Job
from tests.support.jobs import add_job


def test_a_transaction_commits_or_rolls_back(database: Database) -> None:
    made: list[str] = []

    def add(divisor: int) -> None:
        with database.transaction() as session:
            made.append(add_job(session).id)
            session.flush()
            _ = 1 / divisor

    add(1)
    with pytest.raises(ZeroDivisionError):
        add(0)
    with database.reading() as session:
        assert session.scalars(select(Job.id)).all() == made[:1]


def test_what_a_reading_session_changes_is_lost(database: Database, queued_job: str) -> None:
    with database.reading() as session:
        session.get_one(Job, queued_job).step = 7
        session.flush()
    with database.reading() as session:
        assert session.get_one(Job, queued_job).step == 0


def test_foreign_keys_are_enforced(database: Database, queued_job: str) -> None:
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.execute(update(Job).values(dataset_id="ds_none"))


def test_times_come_back_in_utc_to_the_microsecond(database: Database, queued_job: str) -> None:
    elsewhere = timezone(timedelta(hours=5, minutes=30))
    given = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=elsewhere)
    with database.transaction() as session:
        session.execute(update(Dataset).values(created_at=given))
    with database.reading() as session:
        read = session.scalars(select(Dataset.created_at)).one()
    assert read == given
    assert read.tzinfo is UTC


def test_naive_times_are_refused(database: Database, queued_job: str) -> None:
    with pytest.raises(StatementError, match="without a time zone"), database.transaction() as session:
        session.execute(update(Dataset).values(created_at=datetime(2026, 1, 2)))


def test_the_clock_moves_within_a_transaction(database: Database) -> None:
    with database.transaction() as session:
        first = now(session)
        session.execute(text("SELECT 1"))
        assert first < now(session)
        assert abs(first - datetime.now(UTC)) < timedelta(seconds=60)


def test_writers_wait_for_each_other(database: Database, queued_job: str) -> None:
    """Eight threads read and then write in one transaction: none fails, no update is lost."""

    def count() -> None:
        for _ in range(10):
            with database.transaction() as session:
                row = session.scalars(select(Job).with_for_update(of=Job)).one()
                row.step += 1

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as session:
        assert session.get_one(Job, queued_job).step == 80


def test_readers_do_not_wait_for_a_writer(database: Database, queued_job: str) -> None:
    with database.transaction() as writing, database.reading() as reading:
        writing.execute(update(Job).values(step=5))
        assert reading.get_one(Job, queued_job).step == 0


def test_any_spelling_of_postgresql_gets_our_driver() -> None:
    for url in ("postgresql://u@h/d", "postgresql+psycopg://u@h/d"):
        assert make_engine(url).dialect.driver == "psycopg"


def test_ids_sort_by_time() -> None:
    made = [new_id("job") for _ in range(1000)]
    assert made == sorted(made)
    assert len(set(made)) == 1000
    assert all(id_.startswith("job_") and len(id_) == 36 for id_ in made)
