"""Validating and storing logs, and creating their rows."""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.datasets.received import ReceivedLog
from api.datasets.validation import validate_apart
from api.db import Database, now
from api.errors import StorageError
from api.ids import new_id
from api.models import Dataset
from api.runs import claims, events
from api.runs.claims import Claim
from api.runs.events import EventKind
from api.settings import Settings
from api.storage import Storage
from td3core.config import DataConfig
from td3core.errors import LogTooLargeError
from td3core.interactions import Limits, LogStudy


def validate(log: ReceivedLog, data: DataConfig, settings: Settings) -> LogStudy:
    """Validate the log: completely if file and columns are small enough, otherwise only its beginning.

    Returns:
        What is known of the log, or of its beginning.

    Raises:
        InvalidLogError: The log is invalid.
    """
    limits = Limits(columns=settings.max_columns)
    if log.size <= settings.validate_whole_bytes:
        few = replace(limits, log_bytes=settings.validate_whole_bytes)
        with suppress(LogTooLargeError):  # short or compressed rows need much more memory than the file size
            return _validate(log, data, settings, limits=few, head_bytes=None)
    return _validate(log, data, settings, limits=limits, head_bytes=settings.validate_head_bytes)


def _validate(
    log: ReceivedLog, data: DataConfig, settings: Settings, *, limits: Limits, head_bytes: int | None
) -> LogStudy:
    return validate_apart(
        log.path,
        data,
        name=log.name,
        head_bytes=head_bytes,
        limits=limits,
        memory_bytes=int(settings.validation_memory_bytes),
        seconds=settings.validation_seconds,
    )


@dataclass(frozen=True, slots=True)
class StoredLog:
    """A log in storage."""

    key: str
    shared: bool
    """Whether it is also the log of an earlier dataset."""


def store(log: ReceivedLog, database: Database, storage: Storage, *, tenant_id: str) -> StoredLog:
    """Store the log, unless a dataset of this tenant has the same log.

    If no row is written for it afterwards, it is an orphan: its key is never used again, and the keeper deletes it.
    """
    with database.reading() as session:
        known = kept_key(session, log, tenant_id=tenant_id)
    if known is not None and storage.exists(known):
        return StoredLog(known, shared=True)
    key = f"{tenant_id}/logs/{log.sha256}-{new_id('put')}"
    storage.put_file(key, log.path, sha256=log.sha256)
    return StoredLog(key, shared=False)


def kept_key(session: Session, log: ReceivedLog, *, tenant_id: str) -> str | None:
    """Return the storage key of the same log of a dataset of this tenant, if there is one."""
    same = (Dataset.tenant_id == tenant_id, Dataset.sha256 == log.sha256, Dataset.expired_at.is_(None))
    return session.scalar(select(Dataset.storage_key).where(*same).limit(1))


def create(
    session: Session, log: ReceivedLog, *, tenant_id: str, stored: StoredLog, study: LogStudy
) -> Dataset:
    """Write the row of the dataset.

    Raises:
        StorageError: The log was to be shared, but has expired in the meantime.
    """
    if stored.shared:
        kept = select(Dataset.id).where(Dataset.storage_key == stored.key, Dataset.expired_at.is_(None))
        if session.scalar(kept.limit(1).with_for_update(read=True)) is None:
            raise StorageError("The log expired while it was being submitted again; send it again.")
    profile, reading = _described(study)
    dataset = Dataset(
        id=new_id("ds"),
        tenant_id=tenant_id,
        created_at=now(session),
        name=log.name,
        bytes=log.size,
        sha256=log.sha256,
        storage_key=stored.key,
        profile=profile,
        reading=reading,
    )
    session.add(dataset)
    return dataset


def complete(session: Session, held: Claim, dataset_id: str, study: LogStudy) -> None:
    """Store what is known of a log that a worker has read to its end, with an event of the run, unless it is known.

    Raises:
        LeaseLostError: The claim has ended.
    """
    claims.lock(session, held)
    dataset = session.get_one(Dataset, dataset_id)
    if dataset.reading is None or not dataset.reading["whole"]:
        profile, reading = _described(study)
        dataset.profile, dataset.reading = profile, reading
        events.record(session, held.model, held.run_id, EventKind.READING, **reading)


def _described(study: LogStudy) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Profile and reading of a dataset."""
    kept = study.kept.model_dump(mode="json") if study.kept else None
    return kept, study.reading.model_dump(mode="json")
