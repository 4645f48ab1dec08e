"""The database as the threads of a worker's main process use it, which forks a child for each run."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from api.db import Database
from api.settings import Settings


class MainDatabase:
    """Sessions of which no child inherits a connection.

    The copy of SQLite in the child would consider its locks held and wait for them forever. A fork therefore waits for
    the sessions in use, and closes idle connections.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: Database | None = None
        self._unforked = threading.RLock()
        os.register_at_fork(
            before=self._before_fork,
            after_in_parent=self._unforked.release,
            after_in_child=self._unforked.release,
        )

    @contextmanager
    def unforked(self) -> Iterator[None]:
        """Hold off forks until the block ends: for what holds locks of its own that no child may inherit."""
        with self._unforked:
            yield

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """As that of `Database`."""
        with self._unforked, self._open().transaction() as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """As that of `Database`."""
        with self._unforked, self._open().reading() as session:
            yield session

    def close(self) -> None:
        """Close idle connections."""
        with self._unforked:
            if self._opened:
                self._opened.close()

    def _open(self) -> Database:
        if self._opened is None:
            url, limits = self._settings.database_url, self._settings.database_limits
            self._opened = Database(url, limits=limits, name="td3 worker")
        return self._opened

    def _before_fork(self) -> None:
        self._unforked.acquire()
        self.close()
