"""Take a log in: validate it, keep it, make its row."""

from sqlalchemy.orm import Session

from api.db import now
from api.ids import new_id
from api.models import Dataset
from api.multipart import Upload
from api.settings import Settings
from api.storage import Storage
from td3core.config import DataConfig
from td3core.interactions import LogProfile, validate_log


def validate(upload: Upload, data: DataConfig, settings: Settings) -> LogProfile | None:
    """Read the log, whole up to a size and only its head beyond.

    Returns:
        Its profile, where it was read whole.

    Raises:
        InvalidLogError: It cannot be used.
    """
    if upload.size <= settings.validate_whole_bytes:
        return validate_log(upload.path, data, name=upload.name)
    validate_log(upload.path, data, name=upload.name, head_bytes=settings.validate_head_bytes)
    return None


def store(upload: Upload, storage: Storage, *, tenant_id: str) -> str:
    """Put the log into storage under its content's name and return that key.

    The same log twice is one object. One that no row comes to point at is whole, harmless, and taken up by
    the next upload of the same log.
    """
    key = f"{tenant_id}/logs/{upload.sha256}"
    if not storage.exists(key):
        storage.put_file(key, upload.path, sha256=upload.sha256)
    return key


def create(
    session: Session, upload: Upload, *, tenant_id: str, storage_key: str, profile: LogProfile | None
) -> Dataset:
    """Write the row."""
    dataset = Dataset(
        id=new_id("ds"),
        tenant_id=tenant_id,
        created_at=now(session),
        name=upload.name,
        bytes=upload.size,
        sha256=upload.sha256,
        storage_key=storage_key,
        profile=profile.model_dump(mode="json") if profile else None,
    )
    session.add(dataset)
    return dataset
