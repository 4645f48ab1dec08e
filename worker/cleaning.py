"""What the keeper removes from storage. Idempotent: two that clean at once do no harm.

A key is used by the one put that made it up, and gets its row within moments or never: what is older than
the grace period and has no row will have none. A log that is uploaded again shares the object of a row that holds it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

import structlog

from api.db import Database, now
from api.errors import StorageError
from api.models import Dataset, Summary
from api.retention import BATCH, expire, referenced
from api.settings import Settings
from api.storage import Storage

log = structlog.get_logger(__name__)


def clean(database: Database, storage: Storage, settings: Settings) -> None:
    """Expire what is past its time, and remove what nobody points at and what puts left half-way.

    A bucket may allow one and refuse the other.
    """
    for model, days in ((Dataset, settings.keep_logs_days), (Summary, settings.keep_summaries_days)):
        if days is not None and (expired := _expire_all(database, model, timedelta(days=days))):
            log.info("cleaning.expired", what=model.__tablename__, number=expired)
    with database.reading() as session:
        before = now(session) - timedelta(days=settings.orphan_days)
    for what, remove in (
        ("orphans", partial(remove_orphans, database, storage)),
        ("unfinished_puts", storage.clear_unfinished),
    ):
        try:
            if number := remove(before=before):
                log.info(f"cleaning.{what}", number=number)
        except StorageError:
            log.warning(f"cleaning.{what}_not_removed", exc_info=True)


def _expire_all(database: Database, model: type[Dataset | Summary], age: timedelta) -> int:
    total = 0
    while True:
        with database.transaction() as session:
            expired = expire(session, model, before=now(session) - age)
        total += expired
        if expired < BATCH:
            return total


def remove_orphans(database: Database, storage: Storage, *, before: datetime) -> int:
    """Delete the objects stored before then that no row needs, and say how many there were."""
    removed = 0
    old = (entry.key for entry in storage.list() if entry.modified_at < before)
    for keys in _batches(old):
        with database.reading() as session:
            needed = referenced(session, keys)
        for key in keys:
            if key not in needed:
                storage.delete(key)
                removed += 1
    return removed


def _batches(keys: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(keys, BATCH)):
        yield batch
