"""Real servers for every test: PostgreSQL, Valkey and S3, run by the test command, one of each a test process.

`TD3_TEST_POSTGRES_URL` (of a user who may create databases) and `TD3_TEST_BROKER_URL` (without a database
number) point the tests at servers that already run instead.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from embedded.broker import start_broker
from tests.support.servers.postgres import PostgresServer, running_postgres, server_from
from tests.support.servers.s3 import S3Server, running_s3


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server, started when the first test asks for it."""
    if url := os.environ.get("TD3_TEST_POSTGRES_URL"):
        yield server_from(url)
        return
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A fresh, empty PostgreSQL database for one test."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file for one test; it does not exist yet."""
    return f"sqlite:///{tmp_path / 'td3.sqlite3'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Runs the test twice, on an empty SQLite file and on an empty PostgreSQL database."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture(scope="session")
def broker_server(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """URL of a Valkey server's database that is this test process's alone."""
    if url := os.environ.get("TD3_TEST_BROKER_URL"):
        number = int(worker_id.removeprefix("gw")) if worker_id != "master" else 0
        yield f"{url.rstrip('/')}/{number}"
        return
    folder = tmp_path_factory.mktemp("broker")
    with start_broker(folder, log=folder / "broker.log", durable=False) as broker:
        yield broker.url


@pytest.fixture
def broker_url(broker_server: str) -> str:
    """URL of an empty broker for one test."""
    with redis.Redis.from_url(broker_server) as client:
        client.flushdb()
    return broker_server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 server, started when the first test asks for it."""
    with running_s3() as server:
        yield server


@pytest.fixture
def bucket_url(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh prefix for one test, with the environment that lets the service in."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://{s3_server.bucket}/{uuid.uuid4().hex}/below"


@pytest.fixture
def refusing_bucket_url(bucket_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same, but our key is wrong: every answer is a 403."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    return bucket_url


@pytest.fixture(params=["folder", "bucket"])
def storage_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Runs the test twice, on an empty folder and on an empty bucket."""
    if request.param == "folder":
        return (tmp_path / "a folder with spaces").as_uri()
    return request.getfixturevalue("bucket_url")
