"""New events for all streams of this process, found by one query twice a second on one connection."""

import asyncio
from collections.abc import Mapping, Sequence

import anyio
import structlog
from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

from api.db import Database
from api.models import Event
from api.runs import events

POLL_SECONDS = 0.5

log = structlog.get_logger(__name__)

News = Sequence[Event]


class Feed:
    """Streams wait here for new events, without using a connection or a thread each."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[asyncio.Future[News], tuple[str, int]] = {}
        self._wanted = asyncio.Event()
        self._closed = False
        self._one_query_at_once = anyio.CapacityLimiter(1)

    async def news(self, run_id: str, *, after: int) -> News:
        """Wait for events of the run after number `after`; returns none once the feed is closed."""
        if self._closed:
            return ()
        future: asyncio.Future[News] = asyncio.get_running_loop().create_future()
        self._waiting[future] = (run_id, after)
        self._wanted.set()
        try:
            return await future
        finally:
            self._waiting.pop(future, None)

    def close(self) -> None:
        """End all streams. Their clients reconnect, to any process that serves then."""
        self._closed = True
        self._hand_out({})

    async def run(self) -> None:
        """Look for new events while streams are waiting, and try again if the database is unavailable."""
        while True:
            await self._wanted.wait()
            try:
                found = await run_sync(self._look, self._cursors(), limiter=self._one_query_at_once)
            except SQLAlchemyError as error:
                log.warning("feed.database_unavailable", error=str(error))
            else:
                self._hand_out(found)
            await asyncio.sleep(POLL_SECONDS)

    def _cursors(self) -> dict[str, int]:
        """Return for each run the smallest number after which a stream is waiting."""
        cursors: dict[str, int] = {}
        for run_id, after in self._waiting.values():
            cursors[run_id] = min(after, cursors.get(run_id, after))
        return cursors

    def _look(self, cursors: Mapping[str, int]) -> dict[str, list[Event]]:
        found: dict[str, list[Event]] = {}
        with self._database.reading() as session:
            for event in events.news(session, cursors):
                found.setdefault(event.run_id, []).append(event)
        return found

    def _hand_out(self, found: Mapping[str, News]) -> None:
        for future, (run_id, after) in list(self._waiting.items()):
            news = [event for event in found.get(run_id, ()) if event.seq > after]
            if (news or self._closed) and not future.done():
                future.set_result(news)
        if not self._waiting:
            self._wanted.clear()
