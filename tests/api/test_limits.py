"""What a process may take of PostgreSQL, and what becomes of it when that is away."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from api.db import Database, Limits
from api.migrate import upgrade
from api.models import Job
from api.settings import Settings
from tests.support.jobs import add_job
from tests.support.live_api import running_api
from tests.support.problems import problem
from tests.support.servers.postgres import postgres_process

pytestmark = pytest.mark.parametrize("migrated_url", ["postgres"], indirect=True)


@contextmanager
def opened(url: str, limits: Limits) -> Iterator[Database]:
    database = Database(url, limits=limits, name="td3 test")
    yield database
    database.close()


@pytest.fixture
def limited(migrated_url: str) -> Iterator[Database]:
    with opened(migrated_url, Limits(connections=2, statement_seconds=1, lock_seconds=0.2)) as database:
        yield database


def test_a_statement_that_takes_too_long(limited: Database) -> None:
    with pytest.raises(OperationalError, match="statement timeout"), limited.reading() as session:
        session.execute(text("SELECT pg_sleep(60)"))


def test_a_lock_that_is_not_given_up(database: Database, limited: Database, queued_job: str) -> None:
    with database.transaction() as holder:
        holder.execute(update(Job).values(step=1))
        with pytest.raises(OperationalError, match="lock timeout"), limited.transaction() as session:
            session.execute(update(Job).values(step=2))


def test_a_transaction_in_which_nothing_happens(migrated_url: str) -> None:
    """It would keep its locks, and keep PostgreSQL from cleaning up, for as long as its process hangs."""
    with opened(migrated_url, Limits(idle_seconds=0.1)) as database:
        with database.reading() as session:
            session.execute(text("SELECT 1"))
            threading.Event().wait(0.5)
            with pytest.raises(DBAPIError):
                session.execute(text("SELECT 1"))
        with database.reading() as session:
            assert session.execute(text("SELECT 1")).scalar_one() == 1


def test_no_more_connections_than_allowed(
    limited: Database, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limited.engine.pool, "_timeout", 0.1)
    with limited.reading() as first, limited.reading() as second:
        for session in (first, second):
            session.execute(text("SELECT 1"))
        with database.reading() as session:
            count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'td3 test'"
            assert session.execute(text(count)).scalar_one() == 2
        with pytest.raises(PoolTimeoutError), limited.reading() as third:
            third.execute(text("SELECT 1"))


def test_the_api_outlives_a_database_that_crashes(settings: Settings) -> None:
    """Its connections break; the first request after the outage finds new ones."""
    with postgres_process() as server:
        url = server.url.render_as_string(hide_password=False)
        database = Database(url)
        upgrade(database.engine)
        with database.transaction() as session:
            job_id = add_job(session).id
        with running_api(settings.model_copy(update={"database_url": url})) as api:
            assert api.get(f"/jobs/{job_id}").status_code == 200
            server.crash()
            away = api.get(f"/jobs/{job_id}")
            problem(away, 503, "database_unavailable")
            assert away.headers["retry-after"] == "5"
            server.start()
            assert api.get(f"/jobs/{job_id}").status_code == 200
        database.close()
