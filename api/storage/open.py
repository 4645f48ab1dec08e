"""Opening a storage by its URL."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from api.errors import SettingsError
from api.storage.base import Storage
from api.storage.folder import FolderStorage


def open_storage(url: str) -> Storage:
    """Open the storage at `file:///directory` (created if missing) or `s3://bucket/prefix`.

    Raises:
        SettingsError: The URL has another scheme.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return FolderStorage(Path(unquote(parts.path)))
    if parts.scheme in ("s3", "s3a"):
        from api.storage.bucket import BucketStorage  # its libraries are slow to import

        return BucketStorage(url)
    raise SettingsError(f"TD3_STORAGE_URL={url!r}: expected file:///directory or s3://bucket/prefix")
