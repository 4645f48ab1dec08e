"""Cleaning of the storage by the keeper. It is idempotent: keepers may clean concurrently.

Each key is used for one upload only, and its row is written within moments or never: an object that is older than the
grace period and has no row will never have one. A log that is uploaded again shares the object of an existing row.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

import structlog

from api.db import Database, now
from api.errors import StorageError
from api.models import Dataset, SummaryArchive
from api.retention import BATCH, expire, referenced
from api.runs.removal import purge
from api.settings import Settings
from api.storage import Storage

log = structlog.get_logger(__name__)


def clean(database: Database, storage: Storage, settings: Settings) -> None:
    """Expire logs and summaries, remove deleted runs, and delete unreferenced objects and the remains of uploads.

    The last two are independent: the permissions of a bucket may allow only one of them.
    """
    for model, days in ((Dataset, settings.keep_logs_days), (SummaryArchive, settings.keep_summaries_days)):
        if days is not None and (expired := _expire_all(database, model, timedelta(days=days))):
            log.info("cleaning.expired", what=model.__tablename__, number=expired)
    if purged := purge_all(database, storage, timedelta(days=settings.restore_days)):
        log.info("cleaning.purged", number=purged)
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


def _expire_all(database: Database, model: type[Dataset | SummaryArchive], age: timedelta) -> int:
    total = 0
    while True:
        with database.transaction() as session:
            expired = expire(session, model, before=now(session) - age)
        total += expired
        if expired < BATCH:
            return total


def purge_all(database: Database, storage: Storage, age: timedelta) -> int:
    """Remove the runs that were deleted longer than `age` ago, and what they alone had in storage; return their number.

    What the storage does not delete now is an orphan, which is deleted later.
    """
    total = 0
    while True:
        with database.transaction() as session:
            purged, keys = purge(session, before=now(session) - age)
        try:
            for batch in _batches(iter(keys)):
                _remove_unneeded(database, storage, batch)
        except StorageError:
            log.warning("cleaning.purged_not_removed", exc_info=True)
        total += purged
        if not purged:
            return total


def remove_orphans(database: Database, storage: Storage, *, before: datetime) -> int:
    """Delete the objects stored before this time that no row needs, and return their number."""
    removed = 0
    old = (entry.key for entry in storage.list() if entry.modified_at < before)
    for keys in _batches(old):
        removed += _remove_unneeded(database, storage, keys)
    return removed


def _remove_unneeded(database: Database, storage: Storage, keys: Sequence[str]) -> int:
    with database.reading() as session:
        needed = referenced(session, keys)
    unneeded = [key for key in keys if key not in needed]
    for key in unneeded:
        storage.delete(key)
    return len(unneeded)


def _batches(keys: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(keys, BATCH)):
        yield batch
