"""`python -m api.migrate`: bring the database to the newest schema; safe to run twice, and by two at once."""

import argparse
import sys
from importlib.resources import files

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from api.db import WRITES, Database
from api.errors import SettingsError
from api.logs import configure_logging
from api.settings import load_settings

_ADVISORY_LOCK = 0x7D3
log = structlog.get_logger(__name__)


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Apply what is missing up to `revision`."""
    with engine.execution_options(**WRITES).begin() as connection:
        _lock(connection)
        command.upgrade(_config(connection), revision)


def downgrade(engine: Engine, revision: str = "base") -> None:
    """Undo what came after `revision`."""
    with engine.execution_options(**WRITES).begin() as connection:
        _lock(connection)
        command.downgrade(_config(connection), revision)


def newest_revision() -> str | None:
    """The revision this code needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def current_revision(connection: Connection) -> str | None:
    """The revision the database is at."""
    return MigrationContext.configure(connection).get_current_revision()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def _lock(connection: Connection) -> None:
    """Let one process migrate at a time; SQLite's write lock does that by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m api.migrate", description=__doc__)
    parser.add_argument("--revision", default="head", help="where to stop (default: head)")
    arguments = parser.parse_args()
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.exit(f"error: {error}")
    configure_logging(level=settings.log_level, style=settings.log_format)
    database = Database(settings.database_url)
    upgrade(database.engine, arguments.revision)
    with database.engine.connect() as connection:
        log.info("migrate.done", revision=current_revision(connection))
    database.close()


if __name__ == "__main__":
    main()
