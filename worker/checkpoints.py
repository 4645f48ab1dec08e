"""Storing the checkpoints of a run, and resuming from the latest."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import OperationalError

from api.db import Database
from api.errors import LeaseLostError, StorageError
from api.models import Checkpoint, Run
from api.runs import checkpoints, claims
from api.runs.claims import Claim
from api.runs.events import EventKind
from api.storage import Storage
from td3core.errors import InvalidCheckpointError
from worker.files import Files, MissingObjectError
from worker.lease import Watch

if TYPE_CHECKING:
    from td3core.runs import ResumableRun

BATCH = 500
MOST_OVERHEAD = 0.05
"""Maximum share of the run time for checkpoints: slow ones are made less often."""

log = structlog.get_logger(__name__)


class Checkpoints:
    """The checkpoints of one attempt.

    If a checkpoint cannot be stored, the run continues: the next one is tried when it is due, and earlier ones stay.
    """

    def __init__(
        self,
        database: Database,
        storage: Storage,
        held: Claim,
        *,
        files: Files,
        folder: Path,
        every: float,
        watch: Watch,
    ) -> None:
        self._database = database
        self._storage = storage
        self._held = held
        self._files = files
        self._file = folder / "checkpoint"
        self._every = every
        self._watch = watch
        self._due_at = time.monotonic() + every

    @property
    def due(self) -> bool:
        """Whether the next checkpoint is due."""
        return time.monotonic() >= self._due_at

    def latest_progress(self) -> float:
        """Return the progress of the checkpoint that `resume` would use, or 0."""
        with self._database.reading() as session:
            usable = checkpoints.complete_ones(session, self._held.run_id)
        return usable[0].progress if usable else 0.0

    def resume(self, run: "ResumableRun") -> None:
        """Resume the run from the newest checkpoint that is not damaged, or start from the beginning.

        Raises:
            What `Files.fetch` raises if the storage is unavailable: the checkpoint may still be good.
        """
        with self._database.reading() as session:
            usable = checkpoints.complete_ones(session, self._held.run_id)
        for checkpoint in usable:
            try:
                self._files.fetch(checkpoint.storage_key, self._file)
                run.resume(self._file)
            except (MissingObjectError, InvalidCheckpointError) as error:
                self._watch.warn(
                    "checkpoint.unusable", f"Checkpoint {checkpoint.number} cannot be used: {error}"
                )
                continue
            with self._database.transaction() as session:
                claims.record(
                    session,
                    self._held,
                    EventKind.RESTORED,
                    number=checkpoint.number,
                    progress=checkpoint.progress,
                )
            log.info("checkpoint.restored", number=checkpoint.number, progress=checkpoint.progress)
            return

    def save(self, run: "ResumableRun", *, progress: float) -> None:
        """Store a checkpoint of the run.

        Raises:
            LeaseLostError: The run no longer belongs to this attempt.
        """
        began = time.monotonic()
        try:
            self._save(run, progress)
        except (OSError, StorageError, OperationalError) as error:
            # Clients can read this message, and that of the database contains its address.
            reason = "the database is unavailable" if isinstance(error, OperationalError) else error
            self._watch.warn("checkpoint.not_kept", f"A checkpoint could not be stored: {reason}")
        finally:
            self._file.unlink(missing_ok=True)
        ended = time.monotonic()
        self._due_at = ended + max(self._every, (ended - began) / MOST_OVERHEAD)

    def _save(self, run: "ResumableRun", progress: float) -> None:
        run.checkpoint(self._file)
        size = self._file.stat().st_size
        with self._database.transaction() as session:
            checkpoint = checkpoints.begin(session, self._held, progress=progress)
        self._storage.put_file(checkpoint.storage_key, self._file)
        try:
            with self._database.transaction() as session:
                old = checkpoints.complete(session, self._held, checkpoint, size=size)
        except LeaseLostError:
            self._storage.delete(checkpoint.storage_key)
            raise
        log.info("checkpoint.kept", number=checkpoint.number, bytes=size, progress=progress)
        _remove(self._database, self._storage, old)


def remove_ended(database: Database, storage: Storage, model: type[Run]) -> None:
    """Delete the checkpoints of runs that have ended. What cannot be deleted now is left to the next call."""
    with database.reading() as session:
        old = checkpoints.of_ended_runs(session, model, limit=BATCH)
    _remove(database, storage, old)


def _remove(database: Database, storage: Storage, old: Sequence[Checkpoint]) -> None:
    """Delete the objects first and then the rows, so that an interrupted deletion is found again."""
    if not old:
        return
    try:
        for checkpoint in old:
            storage.delete(checkpoint.storage_key)
    except StorageError:
        log.warning("checkpoint.not_removed", exc_info=True)
        return
    with database.transaction() as session:
        checkpoints.forget(session, old)
