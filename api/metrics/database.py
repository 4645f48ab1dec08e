"""Metrics that are read from the database at each scrape: every API process reports the same values."""

import threading
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.db import Database, now
from api.models import (
    HELD,
    RUN_KINDS,
    Checkpoint,
    Delivery,
    DeliveryState,
    OutboxMessage,
    RunState,
    Worker,
)

MAX_AGE_SECONDS = 5.0
"""Scrapes within this time share one reading of the database."""

log = structlog.get_logger(__name__)


class DatabaseCollector(Collector):
    """Gauges of runs, messages and workers. If the database is unavailable, only `td3_database_up` (0) is reported."""

    def __init__(self, database: Database, *, silent_after: float, max_age: float = MAX_AGE_SECONDS) -> None:
        self._database = database
        self._silent_after = timedelta(seconds=silent_after)
        self._max_age = max_age
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._metrics: Sequence[Metric] = ()

    def describe(self) -> Iterator[Metric]:
        """Describe nothing, so that registering the collector does not query the database."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Yield all gauges, at most a few seconds old."""
        with self._lock:
            if time.monotonic() - self._read_at >= self._max_age:
                self._metrics = self._read()
                self._read_at = time.monotonic()
            yield from self._metrics

    def _read(self) -> Sequence[Metric]:
        started = time.perf_counter()
        try:
            with self._database.reading() as session:
                metrics = [
                    *_runs(session),
                    *_queues(session),
                    _overdue(session),
                    _checkpoints(session),
                    _workers(session, self._silent_after),
                    *_webhooks(session),
                ]
        except SQLAlchemyError as error:
            log.warning("metrics.database_unavailable", error=str(error))
            return [_gauge("td3_database_up", "1 if the database is available, otherwise 0.", 0)]
        elapsed = time.perf_counter() - started
        return [
            *metrics,
            _gauge("td3_database_up", "1 if the database is available, otherwise 0.", 1),
            _gauge(
                "td3_database_read_seconds", "Duration of the queries for these metrics, in seconds.", elapsed
            ),
        ]


def _runs(session: Session) -> Iterator[Metric]:
    family = GaugeMetricFamily("td3_runs", "Number of runs by kind and state.", labels=["kind", "state"])
    for model in RUN_KINDS:
        counts = dict(session.execute(select(model.state, func.count()).group_by(model.state)).all())
        for state in RunState:
            family.add_metric([model.kind, state], counts.get(state, 0))
    yield family


def _queues(session: Session) -> Iterator[Metric]:
    """A queued run has a message in the outbox until it is claimed."""
    at = now(session)
    waiting = GaugeMetricFamily(
        "td3_queue_oldest_seconds", "Waiting time of the oldest queued run, in seconds.", labels=["kind"]
    )
    for model in RUN_KINDS:
        oldest = session.scalar(
            select(func.min(OutboxMessage.queued_at)).where(OutboxMessage.task == model.task)
        )
        waiting.add_metric([model.kind], (at - oldest).total_seconds() if oldest else 0.0)
    yield waiting
    unsent, oldest = session.execute(
        select(func.count(), func.min(OutboxMessage.queued_at)).where(OutboxMessage.sends == 0)
    ).one()
    yield _gauge("td3_outbox_unsent", "Number of messages that have not been sent to the broker.", unsent)
    lag = (at - oldest).total_seconds() if oldest else 0.0
    yield _gauge(
        "td3_outbox_lag_seconds",
        "Age of the oldest message that has not been sent to the broker, in seconds.",
        lag,
    )


def _overdue(session: Session) -> Metric:
    """A value above the sweep interval means that no keeper is running."""
    at = now(session)
    expiries = (
        session.scalar(select(func.min(model.lease_expires_at)).where(model.state.in_(HELD)))
        for model in RUN_KINDS
    )
    overdue = max((at - expiry).total_seconds() for expiry in (*expiries, at) if expiry)
    return _gauge(
        "td3_lease_overdue_seconds",
        "Age of the oldest expired lease that no keeper has handled, in seconds.",
        overdue,
    )


def _checkpoints(session: Session) -> Metric:
    """For a run without a checkpoint, the time since its first start counts."""
    at = now(session)
    newest = (
        select(Checkpoint.run_id, func.max(Checkpoint.created_at).label("at"))
        .where(Checkpoint.bytes.is_not(None))
        .group_by(Checkpoint.run_id)
        .subquery()
    )
    family = GaugeMetricFamily(
        "td3_checkpoint_oldest_seconds",
        "Age of the latest checkpoint of a running run, in seconds; the maximum over all runs.",
        labels=["kind"],
    )
    for model in RUN_KINDS:
        oldest = session.scalar(
            select(func.min(func.coalesce(newest.c.at, model.started_at)))
            .select_from(model)
            .outerjoin(newest, newest.c.run_id == model.id)
            .where(model.state == RunState.RUNNING)
        )
        family.add_metric([model.kind], (at - oldest).total_seconds() if oldest else 0.0)
    return family


def _workers(session: Session, silent_after: timedelta) -> Metric:
    """Count the workers that `GET /workers` reports as alive."""
    alive = session.scalar(
        select(func.count())
        .select_from(Worker)
        .where(Worker.stopped_at.is_(None), Worker.seen_at >= now(session) - silent_after)
    )
    return _gauge("td3_workers_alive", "Number of workers with a recent heartbeat.", alive or 0)


def _webhooks(session: Session) -> Iterator[Metric]:
    """Count deliveries to webhooks that are on. Overdue is what no keeper has taken; a lease that is over counts."""
    at = now(session)
    waiting, oldest, first = session.execute(
        select(func.count(), func.min(Delivery.created_at), func.min(Delivery.next_try_at)).where(
            Delivery.state == DeliveryState.WAITING, Delivery.next_try_at.is_not(None)
        )
    ).one()
    yield _gauge("td3_webhooks_waiting", "Number of deliveries of webhooks that wait for a try.", waiting)
    yield _gauge(
        "td3_webhook_oldest_seconds",
        "Age of the oldest delivery that waits for a try, in seconds.",
        (at - oldest).total_seconds() if oldest else 0.0,
    )
    yield _gauge(
        "td3_webhook_overdue_seconds",
        "Time since the try was due that is due for longest, in seconds.",
        max((at - first).total_seconds(), 0.0) if first else 0.0,
    )


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)
