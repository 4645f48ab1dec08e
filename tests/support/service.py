"""Fixtures of the service: a migrated database, settings, a running API."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis
import structlog
from pydantic import ByteSize
from sqlalchemy import make_url

from api.db import Database
from api.settings import Settings
from tests.support.databases import migrate
from tests.support.jobs import add_job
from tests.support.live_api import running_api
from tests.support.servers.postgres import PostgresServer


@pytest.fixture(scope="session", autouse=True)
def logs_for_pytest() -> None:
    """Let pytest capture what the service logs, instead of its going to standard output."""
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.stdlib.render_to_log_kwargs],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy, which is faster than to migrate for every test."""
    path = tmp_path_factory.mktemp("migrated") / "td3.sqlite3"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """Name of a migrated database to clone."""
    with postgres_server.database() as url:
        migrate(url)
        yield str(make_url(url).database)


@pytest.fixture(params=["sqlite", "postgres"])
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database with our tables, on SQLite and on PostgreSQL in turn."""
    if request.param == "sqlite":
        path = shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "td3.sqlite3")
        yield f"sqlite:///{path}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with server.database(template=request.getfixturevalue("migrated_postgres")) as url:
        yield url


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    """The same, open."""
    database = Database(migrated_url)
    yield database
    database.close()


@pytest.fixture
def settings(migrated_url: str, broker_url: str, tmp_path: Path) -> Settings:
    """Settings of a service of its own: database, broker and folder."""
    return Settings(
        data_dir=tmp_path / "data",
        database_url=migrated_url,
        broker_url=broker_url,
        max_upload_bytes=ByteSize(2 * 2**20),
        validate_whole_bytes=ByteSize(2**20),
        validate_head_bytes=ByteSize(2**16),
    )


@pytest.fixture
def api(settings: Settings) -> Iterator[httpx.Client]:
    """A client of a running API."""
    with running_api(settings) as client:
        yield client


@pytest.fixture
def broker(broker_url: str) -> Iterator[redis.Redis]:
    """What travels through the broker, to look at."""
    with redis.Redis.from_url(broker_url) as client:
        yield client


@pytest.fixture
def queued_job(database: Database) -> str:
    """Id of a job that waits for a worker, written as the service writes it."""
    with database.transaction() as session:
        return add_job(session).id
