"""`python -m api.migrate`: migrate the database to the newest schema. Safe to run repeatedly and concurrently."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text

from api.db import WRITES, Database
from api.errors import SettingsError
from api.settings import load_settings
from api.telemetry.logs import configure_logging

_ADVISORY_LOCK = 0x7D3
log = structlog.get_logger(__name__)


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Upgrade the schema to `revision`.

    Raises:
        CommandError: The revision does not exist, or the database is newer, which alembic itself ignores.
    """
    with _naming_revisions(), engine.execution_options(**WRITES).begin() as connection:
        _lock(connection)
        config = _config(connection)
        command.upgrade(config, revision)
        reached, wanted = (
            current_revision(connection),
            ScriptDirectory.from_config(config).get_revision(revision),
        )
        if reached != (wanted and wanted.revision):
            raise CommandError(
                f"the database is at revision {reached}, which is newer than {revision}; use --down to downgrade"
            )


def downgrade(engine: Engine, revision: str = "base") -> None:
    """Downgrade the schema to `revision`.

    Raises:
        CommandError: The revision does not exist, or the database is older.
    """
    with _naming_revisions(), engine.execution_options(**WRITES).begin() as connection:
        _lock(connection)
        command.downgrade(_config(connection), revision)


@contextmanager
def _naming_revisions() -> Iterator[None]:
    """Add the revisions that this version has to the error for one that it does not have."""
    try:
        yield
    except CommandError as error:
        if not isinstance(error.__cause__, ResolutionError):
            raise
        known = ", ".join(sorted(script.revision for script in _scripts().walk_revisions()))
        raise CommandError(f"{error}; this version has base, {known} and head") from error


def newest_revision() -> str | None:
    """The revision that this version needs."""
    return _scripts().get_current_head()


def is_known(revision: str) -> bool:
    """Whether this code has the revision; one that it does not have is of a later version."""
    return any(script.revision == revision for script in _scripts().walk_revisions())


def current_revision(connection: Connection) -> str | None:
    """The revision of the database."""
    return MigrationContext.configure(connection).get_current_revision()


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def _lock(connection: Connection) -> None:
    """Allow one migration at a time. SQLite needs no lock of ours, because it allows only one writer."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m api.migrate", description=__doc__)
    parser.add_argument("--revision", help="target revision (default: the newest)")
    parser.add_argument("--down", action="store_true", help="downgrade to an older --revision")
    arguments = parser.parse_args()
    if arguments.down and arguments.revision is None:
        parser.error("--down requires --revision")
    try:
        settings = load_settings()
        settings.open_folders()
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
