import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from api.db import Database
from api.migrate import current_revision, downgrade, newest_revision, upgrade
from api.models import Base


def test_tables_match_the_models(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_up_down_and_up_again(database_url: str) -> None:
    database = Database(database_url)
    upgrade(database.engine)
    upgrade(database.engine)
    with database.engine.connect() as connection:
        assert current_revision(connection) == newest_revision()
        assert set(Base.metadata.tables) < set(inspect(connection).get_table_names())
    downgrade(database.engine)
    with database.engine.connect() as connection:
        assert current_revision(connection) is None
        assert inspect(connection).get_table_names() == ["alembic_version"]
    upgrade(database.engine)
    with database.engine.connect() as connection:
        assert set(Base.metadata.tables) < set(inspect(connection).get_table_names())
    database.close()


def test_the_command_runs_from_any_folder(database_url: str, tmp_path: Path) -> None:
    """Two at once, as when several replicas start."""
    environment = {"TD3_DATABASE_URL": database_url, "PYTHONPATH": str(Path(__file__).parents[2])}
    commands = [
        subprocess.Popen([sys.executable, "-m", "api.migrate"], cwd=tmp_path, env=environment)
        for _ in range(2)
    ]
    assert [command.wait(60) for command in commands] == [0, 0]
    database = Database(database_url)
    with database.engine.connect() as connection:
        assert current_revision(connection) == newest_revision()
    database.close()


def migrate(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"TD3_DATABASE_URL": url, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "api.migrate", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def bring_to(url: str, revision: str) -> None:
    database = Database(url)
    upgrade(database.engine, revision)
    database.close()


def revision_of(url: str) -> str | None:
    database = Database(url)
    with database.engine.connect() as connection:
        revision = current_revision(connection)
    database.close()
    return revision


def test_the_command_goes_back_when_it_is_told_to(sqlite_url: str) -> None:
    bring_to(sqlite_url, "head")
    assert migrate(sqlite_url, "--down", "--revision", "0005").returncode == 0
    assert revision_of(sqlite_url) == "0005"
    assert migrate(sqlite_url, "--revision", "0006").returncode == 0
    assert revision_of(sqlite_url) == "0006"
    assert migrate(sqlite_url, "--down", "--revision=-1").returncode == 0
    assert revision_of(sqlite_url) == "0005"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--revision", "0005"], "error: the database is at revision 0006, which is newer than 0005"),
        (["--revision", "base"], "error: the database is at revision 0006, which is newer than base"),
        (["--down"], "error: --down requires --revision"),
        (["--down", "--revision", "0007"], "error: Destination 0007 is not a valid downgrade target"),
        (
            ["--revision", "9999"],
            "error: Can't locate revision identified by '9999'; this version has base, 0001, 0002,",
        ),
        (
            ["--down", "--revision", "0042"],
            "error: Can't locate revision identified by '0042'; this version has base, 0001,",
        ),
    ],
)
def test_the_command_says_where_it_cannot_go(sqlite_url: str, arguments: list[str], reason: str) -> None:
    bring_to(sqlite_url, "0006")
    refused = migrate(sqlite_url, *arguments)
    assert refused.returncode != 0
    assert reason in refused.stderr
    assert revision_of(sqlite_url) == "0006"
