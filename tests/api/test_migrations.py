import subprocess
import sys
from pathlib import Path

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
