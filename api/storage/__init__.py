"""Storage of logs, summaries and checkpoints: a local directory or an S3-compatible bucket, chosen by URL."""

from api.storage.base import Storage, StoredObject
from api.storage.open import open_storage

__all__ = ["Storage", "StoredObject", "open_storage"]
