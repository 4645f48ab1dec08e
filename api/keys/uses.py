"""When keys were last used. It is written apart from the requests, at most once a minute for a key and a process."""

import time

import anyio
import structlog
from anyio.to_thread import run_sync
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

from api.db import Database, now
from api.models import ApiKey

WRITE_SECONDS = 2.0
ONCE_SECONDS = 60.0

log = structlog.get_logger(__name__)


class Uses:
    """The keys that were used since the last write."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted_at: dict[str, float] = {}
        self._unwritten: set[str] = set()

    def note(self, key_id: str) -> None:
        """Remember that the key is used now."""
        at = time.monotonic()
        if at - self._noted_at.get(key_id, -ONCE_SECONDS) >= ONCE_SECONDS:
            self._noted_at[key_id] = at
            self._unwritten.add(key_id)

    async def run(self) -> None:
        """Write every few seconds. While the database is unavailable, nothing is lost but precision."""
        while True:
            await anyio.sleep(WRITE_SECONDS)
            await run_sync(self._write, self._take())

    def close(self) -> None:
        """Write what is not written yet."""
        self._write(self._take())

    def _take(self) -> set[str]:
        taken, self._unwritten = self._unwritten, set()
        return taken

    def _write(self, used: set[str]) -> None:
        if not used:
            return
        try:
            with self._database.transaction() as session:
                session.execute(
                    update(ApiKey)
                    .where(ApiKey.id.in_(used))
                    .values(last_used_at=now(session))
                    .execution_options(synchronize_session=False)
                )
        except SQLAlchemyError as error:
            self._unwritten |= used
            log.warning("keys.database_unavailable", error=str(error))
