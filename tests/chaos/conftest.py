"""A fleet for each test, and jobs whose summaries are known beforehand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from td3core.data.sample import generate_sample_log
from tests.support.fleet import Fleet, running_fleet
from tests.support.servers.postgres import PostgresProcess, postgres_process
from tests.support.undisturbed import Undisturbed


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    log = folder / "clicks.csv"
    generate_sample_log(users=60, items=30, seed=1).write_csv(log)
    return Undisturbed(log, folder)


@pytest.fixture(scope="session")
def durable_postgres() -> Iterator[PostgresProcess]:
    with postgres_process() as process:
        yield process


@pytest.fixture
def fleet(tmp_path: Path, durable_postgres: PostgresProcess) -> Iterator[Fleet]:
    with running_fleet(tmp_path, durable_postgres) as fleet:
        yield fleet
