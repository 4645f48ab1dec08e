"""The database row of a worker, updated by a thread of its main process while the child computes."""

import os
import socket
import threading

import structlog
from sqlalchemy.exc import SQLAlchemyError

from api.ids import new_id
from api.settings import Settings
from api.workers import service
from api.workers.service import Identity
from td3core.version import VERSION
from worker.gpu import GpuReader
from worker.main_database import MainDatabase
from worker.resources import has_gpu

log = structlog.get_logger(__name__)


def new_worker_id() -> str:
    """Return an id that is another one for each start, and tells nothing of the machine to those who read events."""
    return new_id("worker")


class Presence:
    """Writes heartbeats from `start` to `stop`."""

    def __init__(self, worker_id: str, settings: Settings, database: MainDatabase) -> None:
        self._id = worker_id
        self._settings = settings
        self._database = database
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, queues: list[str]) -> None:
        """Start, as a worker that takes runs from `queues`."""
        worker = Identity(
            id=self._id,
            host=socket.gethostname(),
            pid=os.getpid(),
            queues=queues,
            device=self._settings.device,
            version=VERSION,
        )
        self._thread = threading.Thread(target=self._beat, args=(worker,), name="presence", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and record that the worker has stopped."""
        self._stopped.set()
        if self._thread:
            self._thread.join()

    def _beat(self, worker: Identity) -> None:
        database = self._database
        reader = GpuReader(worker.device) if has_gpu(worker.device) else None
        while True:
            stopping = self._stopped.is_set()
            with database.unforked():  # NVML has locks of its own
                gpu = reader.read() if reader else None
            try:
                with database.transaction() as session:
                    service.beat(session, worker, gpu=gpu, stopping=stopping)
            except SQLAlchemyError as error:
                log.warning("presence.database_unavailable", error=str(error))
            database.close()
            if stopping:
                return
            self._stopped.wait(self._settings.heartbeat_seconds)
