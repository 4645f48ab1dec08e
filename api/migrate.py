"""`python -m api.migrate`: bring the database to the newest schema; safe to run twice, and by two at once."""

import argparse
import sys
from importlib.resources import files

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text

from api.db import WRITES, Database
from api.errors import SettingsError
from api.settings import load_settings
from api.telemetry.logs import configure_logging

_ADVISORY_LOCK = 0x7D3
log = structlog.get_logger(__name__)


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Apply what is missing up to `revision`.

    Raises:
        CommandError: There is no such revision, or the database is past it, which alembic itself passes over.
    """
    with engine.execution_options(**WRITES).begin() as connection:
        _lock(connection)
        config = _config(connection)
        command.upgrade(config, revision)
        reached, wanted = (
            current_revision(connection),
            ScriptDirectory.from_config(config).get_revision(revision),
        )
        if reached != (wanted and wanted.revision):
            raise CommandError(f"the database is at {reached}, past {revision}; going back takes --down")


def downgrade(engine: Engine, revision: str = "base") -> None:
    """Undo what came after `revision`.

    Raises:
        CommandError: There is no such revision, or the database is not as far as that.
    """
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
    parser.add_argument("--revision", help="where to stop (default: the newest)")
    parser.add_argument("--down", action="store_true", help="go back to an older --revision")
    arguments = parser.parse_args()
    if arguments.down and arguments.revision is None:
        parser.error("--down needs the --revision to go back to")
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.exit(f"error: {error}")
    configure_logging(level=settings.log_level, style=settings.log_format)
    database = Database(settings.database_url)
    try:
        if arguments.down:
            downgrade(database.engine, arguments.revision)
        else:
            upgrade(database.engine, arguments.revision or "head")
    except CommandError as error:
        sys.exit(f"error: {error}")
    with database.engine.connect() as connection:
        log.info("migrate.done", revision=current_revision(connection))
    database.close()


if __name__ == "__main__":
    main()
