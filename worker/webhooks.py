"""The part of a keeper that sends webhooks, many at once and a few to each endpoint.

One loop owns all of it: it writes down the tries that have ended, takes as many deliveries as it can send, and waits
until a try ends or some may be due.
"""

import threading
from collections import Counter
from datetime import timedelta

import anyio
import structlog
from anyio.abc import TaskGroup
from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

from api.db import Database
from api.models import DeliveryState
from api.settings import Settings
from api.webhooks import deliveries
from api.webhooks.deliveries import Outcome, Patience, Taken
from worker.metrics import KeeperMetrics
from worker.posting import Poster

AT_ONCE = 64
"""Number of deliveries that a keeper sends at once."""
MOST_OF_ONE = 8
"""Number of these that go to the same endpoint."""
POLL_SECONDS = 1.0
"""How often it looks for deliveries while it sends none, at least: about how late the first try is."""
SETTLING_SECONDS = 0.02
"""How long tries that end one after another are waited for, to be written down together."""
LEASE_FACTOR = 4
"""Length of a lease in time limits of a try."""
OUTCOMES = {
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.WAITING: "retried",
    DeliveryState.FAILED: "failed",
    None: "lease_lost",
}

log = structlog.get_logger("worker.webhooks")


def send(database: Database, settings: Settings, metrics: KeeperMetrics, stop: threading.Event) -> None:
    """Send webhooks until `stop` is set. What is being sent then, the next keeper sends again."""
    anyio.run(Sender(database, settings, metrics).run, stop)


class Sender:
    """Sends the deliveries that are due."""

    def __init__(self, database: Database, settings: Settings, metrics: KeeperMetrics) -> None:
        self._database = database
        self._metrics = metrics
        self._patience = Patience(
            schedule=settings.webhook_waits, failing=timedelta(days=settings.webhook_failing_days)
        )
        self._poster = Poster(
            settings.webhook_policy, seconds=settings.webhook_timeout_seconds, proxy=settings.webhook_proxy
        )
        self._lease = timedelta(seconds=LEASE_FACTOR * settings.webhook_timeout_seconds)
        self._sending: dict[str, Taken] = {}
        self._ended: list[tuple[Taken, Outcome]] = []
        self._poll_seconds = min(POLL_SECONDS, settings.sweep_seconds)
        self._changed = anyio.Event()

    async def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set; an unavailable database is tried again."""
        async with anyio.create_task_group() as tasks:
            while not stop.is_set():
                try:
                    await self._settle()
                    await self._take(tasks)
                except SQLAlchemyError as error:
                    log.warning("webhooks.database_unavailable", error=str(error))
                    await anyio.sleep(self._poll_seconds)
                else:
                    await self._wait()
            tasks.cancel_scope.cancel()
        await self._stop()

    async def _settle(self) -> None:
        """Write down the tries that have ended, in one transaction."""
        ended = self._ended[:]
        if ended:
            await run_sync(self._write, ended)
            del self._ended[: len(ended)]
            for taken, _ in ended:
                del self._sending[taken.id]

    def _write(self, ended: list[tuple[Taken, Outcome]]) -> None:
        # In one order, because two keepers that change the same endpoints in another would block each other.
        ended = sorted(ended, key=lambda pair: pair[0].webhook_id)
        with self._database.transaction() as session:
            states = [deliveries.settle(session, taken, outcome, self._patience) for taken, outcome in ended]
        for (taken, outcome), state in zip(ended, states, strict=True):
            self._metrics.webhook_tries.labels(OUTCOMES[state]).inc()
            log.info(
                "webhook.sent",
                delivery=taken.id,
                webhook=taken.webhook_id,
                status=outcome.status,
                error=outcome.shown["error"],
                state=state,
            )

    async def _take(self, tasks: TaskGroup) -> None:
        """Take what is due and begin to send it."""
        free = AT_ONCE - len(self._sending)
        if free > 0:
            for taken in await run_sync(self._due, free):
                self._sending[taken.id] = taken
                tasks.start_soon(self._post, taken)

    def _due(self, limit: int) -> list[Taken]:
        with self._database.reading() as session:
            if not deliveries.any_due(session):
                return []
        busy = Counter(taken.webhook_id for taken in self._sending.values())
        with self._database.transaction() as session:
            return deliveries.take(
                session, limit=limit, busy=busy, most_of_one=MOST_OF_ONE, lease=self._lease
            )

    async def _post(self, taken: Taken) -> None:
        outcome = await self._poster.post(taken)
        self._ended.append((taken, outcome))
        self._changed.set()

    async def _wait(self) -> None:
        """Return when a try has ended, or deliveries may be due."""
        with anyio.move_on_after(self._poll_seconds):
            await self._changed.wait()
            await anyio.sleep(SETTLING_SECONDS)
        self._changed = anyio.Event()

    async def _stop(self) -> None:
        """Write down what has ended, and leave the rest to other keepers at once."""
        try:
            await self._settle()
            await run_sync(self._release)
        except SQLAlchemyError as error:
            log.warning("webhooks.database_unavailable", error=str(error))
        await self._poster.close()

    def _release(self) -> None:
        with self._database.transaction() as session:
            deliveries.release(session, self._sending.values())
