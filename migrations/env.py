"""Runs the migrations on the connection that `api.migrate` provides, or on the configured database."""

from typing import Any

from alembic import context
from sqlalchemy import Connection

from api.db import WRITES, make_engine
from api.models import Base
from api.settings import load_settings


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Compare our tables only."""
    return kind != "table" or name in Base.metadata.tables


def migrate(connection: Connection) -> None:
    """All revisions in one transaction: SQLite takes part, since our engine emits its BEGIN itself."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        transactional_ddl=True,
        include_name=include_name,
    )
    with context.begin_transaction():
        context.run_migrations()


if provided := context.config.attributes.get("connection"):
    migrate(provided)
else:
    with make_engine(load_settings().database_url).execution_options(**WRITES).connect() as connected:
        migrate(connected)
