"""What a release stored, in a service of this version: rows and objects of `tests/fixtures/formats`."""

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, DateTime, MetaData, Table, insert, null

from api.db import WRITES, Database
from api.migrate import upgrade

FIXTURES = Path(__file__).parents[1] / "fixtures" / "formats"
RELEASES = sorted(folder.name for folder in FIXTURES.iterdir())


def store(release: str, database: Database, storage: Path) -> None:
    """Put the release's rows into an empty database as its schema was, and its objects into a folder; then migrate."""
    kept = json.loads((FIXTURES / release / "rows.json").read_text())
    upgrade(database.engine, kept["revision"])
    metadata = MetaData()
    metadata.reflect(database.engine)
    with database.engine.execution_options(**WRITES).begin() as connection:
        for table in metadata.sorted_tables:
            for row in kept["tables"].get(table.name, ()):
                connection.execute(insert(table).values(_typed(table, row)))
    upgrade(database.engine)
    shutil.copytree(FIXTURES / release / "storage", storage, dirs_exist_ok=True)


def _typed(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """SQLite keeps moments and documents as text."""
    return {name: _value(table.c[name].type, value) for name, value in row.items()}


def _value(kind: Any, value: Any) -> Any:
    if value is None:  # not the document `null`
        return null() if isinstance(kind, JSON) else None
    if isinstance(kind, DateTime):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    if isinstance(kind, JSON):
        return json.loads(value)
    return value
