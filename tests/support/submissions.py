"""Jobs submitted over HTTP."""

import json
from typing import Any

import httpx
from sqlalchemy import func, select

from api.db import Database
from api.models import Dataset, Job, OutboxMessage
from api.settings import Settings
from tests.support.interaction_logs import LOG


def submit(
    api: httpx.Client,
    log: str | bytes = LOG,
    *,
    name: str = "log.csv",
    spec: Any = None,
    key: str | None = None,
    **query: Any,
) -> httpx.Response:
    """Submit a log, as a file of this `name`, with a spec as text or as what becomes JSON."""
    data = {} if spec is None else {"spec": spec if isinstance(spec, str) else json.dumps(spec)}
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.post("/jobs", params=query, files={"dataset": (name, log)}, data=data, headers=headers)


def nothing_left(settings: Settings, database: Database) -> bool:
    """Whether neither file nor row tells of any submission."""
    files = [path for path in settings.data_dir.rglob("*") if path.is_file()]
    folders = list(settings.uploads_dir.iterdir())
    with database.reading() as session:
        rows = sum(
            session.scalar(select(func.count()).select_from(table)) or 0
            for table in (Job, Dataset, OutboxMessage)
        )
    return not files and not folders and not rows
