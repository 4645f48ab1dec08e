"""Take a log in: validate it, keep it, make its row."""

from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.datasets.received import ReceivedLog
from api.db import Database, now
from api.errors import StorageError
from api.ids import new_id
from api.models import Dataset
from api.settings import Settings
from api.storage import Storage
from td3core.config import DataConfig
from td3core.errors import LogTooLargeError
from td3core.interactions import Limits, LogProfile, validate_log


def validate(log: ReceivedLog, data: DataConfig, settings: Settings) -> LogProfile | None:
    """Read the log: whole if file and columns are no larger than a size, else only its head.

    Returns:
        Its profile, where it was read whole.

    Raises:
        InvalidLogError: It cannot be used.
    """
    if log.size <= settings.validate_whole_bytes:
        limits = Limits(log_bytes=settings.validate_whole_bytes)
        with suppress(LogTooLargeError):  # short rows and compressed ones take many times their file
            return validate_log(log.path, data, name=log.name, limits=limits)
    validate_log(log.path, data, name=log.name, head_bytes=settings.validate_head_bytes)
    return None


@dataclass(frozen=True, slots=True)
class StoredLog:
    """Where a log is in storage."""

    key: str
    shared: bool
    """Whether it was there before, as the log of another dataset."""


def store(log: ReceivedLog, database: Database, storage: Storage, *, tenant_id: str) -> StoredLog:
    """Put the log into storage, unless a dataset of this tenant has the same.

    One that no row comes to point at is an orphan: nobody else will use its key, and the keeper removes it.
    """
    same = (Dataset.tenant_id == tenant_id, Dataset.sha256 == log.sha256, Dataset.expired_at.is_(None))
    with database.reading() as session:
        known = session.scalar(select(Dataset.storage_key).where(*same).limit(1))
    if known is not None and storage.exists(known):
        return StoredLog(known, shared=True)
    key = f"{tenant_id}/logs/{log.sha256}-{new_id('put')}"
    storage.put_file(key, log.path, sha256=log.sha256)
    return StoredLog(key, shared=False)


def create(
    session: Session, log: ReceivedLog, *, tenant_id: str, stored: StoredLog, profile: LogProfile | None
) -> Dataset:
    """Write the row.

    Raises:
        StorageError: The log that was to be shared has expired this very moment.
    """
    if stored.shared:
        kept = select(Dataset.id).where(Dataset.storage_key == stored.key, Dataset.expired_at.is_(None))
        if session.scalar(kept.limit(1).with_for_update(read=True)) is None:
            raise StorageError("The log expired while it was being submitted again; send it again.")
    dataset = Dataset(
        id=new_id("ds"),
        tenant_id=tenant_id,
        created_at=now(session),
        name=log.name,
        bytes=log.size,
        sha256=log.sha256,
        storage_key=stored.key,
        profile=profile.model_dump(mode="json") if profile else None,
    )
    session.add(dataset)
    return dataset
