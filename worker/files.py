"""Transfer of files between the storage and the directory of a run, with retries."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from api.errors import DamagedObjectError, StorageError
from api.ids import new_id
from api.storage import Storage
from worker.lease import Watch

T = TypeVar("T")


class Files:
    """Waits while the storage is unavailable or a disk is full, instead of losing hours of computation."""

    def __init__(self, storage: Storage, watch: Watch, *, patience: float, retry: float) -> None:
        self._storage = storage
        self._watch = watch
        self._patience = patience
        self._retry = retry

    def fetch(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        """Download an object.

        Raises:
            MissingObjectError: The object does not exist.
            DamagedObjectError: The object has another hash.
            StorageError: The storage was unavailable for too long.
            What `Watch.check` raises, if the run has to stop meanwhile.
        """

        def download() -> None:
            if not self._storage.exists(key):
                raise MissingObjectError(f"{key} does not exist in the storage")
            self._storage.download(key, path, sha256=sha256)

        self._patiently(download)

    def keep(self, prefix: str, path: Path, *, write: Callable[[Path], object]) -> tuple[str, str]:
        """Write a file, upload it, and return its key and SHA-256; raises the same errors as `fetch`."""

        def upload() -> tuple[str, str]:
            write(path)
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            key = f"{prefix}/{sha256}-{new_id('put')}"
            self._storage.put_file(key, path, sha256=sha256)
            return key, sha256

        return self._patiently(upload)

    def _patiently(self, work: Callable[[], T]) -> T:
        until = time.monotonic() + self._patience
        while True:
            try:
                return work()
            except (MissingObjectError, DamagedObjectError):
                raise
            except (StorageError, OSError) as error:
                if time.monotonic() >= until:
                    raise
                self._watch.warn("storage.waiting", str(error))
            self._watch.wait(self._retry)


class MissingObjectError(StorageError):
    """The object does not exist."""
