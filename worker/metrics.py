"""Metrics of worker and keeper, on a small port of their own where `TD3_METRICS_PORT` names one.

Runs happen in pool children that live for one run each, while Prometheus asks the worker, which lives on. So
what a child counts is kept in memory-mapped files (prometheus-client's multiprocess mode), one set a worker rather
than one a child: only one run is in hand at a time, and whoever runs the next counts on where the last one stopped.
"""

import functools
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager

import prometheus_client.values
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.values import MultiProcessValue

from api.models import RUN_KINDS, RunState
from api.settings import Settings
from api.storage import scratch

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus-client finds the files, in this process and in those it starts."""
WAIT_BUCKETS = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)
RUN_BUCKETS = (1, 5, 15, 60, 180, 600, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 24 * 3600)
LEASE_LOST = "lease_lost"
"""Outcome of an attempt that could not write its end, since the run was not its own any more."""
WATCHED = (RunState.SUCCEEDED, RunState.FAILED, LEASE_LOST)
"""Outcomes that alerts are about."""
STEP_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class RunMetrics:
    """What a process that does runs has to tell of them."""

    def __init__(self) -> None:
        self.wait = Histogram(
            "td3_run_wait_seconds",
            "From when a run was queued, the first time or again, to its claim.",
            ["kind"],
            buckets=WAIT_BUCKETS,
            registry=None,
        )
        self.duration = Histogram(
            "td3_run_duration_seconds",
            "From the claim to the end of an attempt: succeeded, failed, cancelled, queued again, or lease_lost.",
            ["kind", "outcome"],
            buckets=RUN_BUCKETS,
            registry=None,
        )
        self.step = Histogram(
            "td3_run_step_seconds",
            "Time of a step of a run's stage.",
            ["stage"],
            buckets=STEP_BUCKETS,
            registry=None,
        )
        # Prometheus sees an increase only of what it has seen before.
        for model, outcome in itertools.product(RUN_KINDS, WATCHED):
            self.duration.labels(model.kind, outcome)


@functools.cache
def run_metrics() -> RunMetrics:
    """Those of this process; made where runs are done, never in the worker's main process, which only reads."""
    if FOLDER in os.environ:
        prometheus_client.values.ValueClass = MultiProcessValue(lambda: "run")
    return RunMetrics()


class KeeperMetrics:
    """What a keeper does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.expired = Counter(
            "td3_keeper_leases_expired",
            "Runs whose worker vanished, by what became of them: requeued, failed or cancelled.",
            ["outcome"],
            registry=registry,
        )
        self.sent = Counter(
            "td3_keeper_messages_sent",
            "Messages that were sent late, or again.",
            registry=registry,
        )
        self.swept_at = Gauge(
            "td3_keeper_last_sweep_timestamp_seconds", "When the last round ended well.", registry=registry
        )


@contextmanager
def serving_run_metrics(settings: Settings) -> Iterator[None]:
    """Serve what the children of this process count, until the block ends; do nothing without a port."""
    if settings.metrics_port is None:
        yield
        return
    base = settings.data_dir.absolute() / "metrics"
    scratch.clear_abandoned(base)
    with scratch.scratch_folder(base, prefix="worker") as folder:
        os.environ[FOLDER] = str(folder)
        registry = process_registry()
        MultiProcessCollector(registry, path=str(folder))
        with _serving(settings, settings.metrics_port, registry):
            yield


@contextmanager
def serving(settings: Settings, registry: CollectorRegistry) -> Iterator[None]:
    """Serve this process's own metrics until the block ends; do nothing without a port."""
    if settings.metrics_port is None:
        yield
        return
    with _serving(settings, settings.metrics_port, registry):
        yield


def process_registry() -> CollectorRegistry:
    """A registry that begins with what this process uses."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


@contextmanager
def _serving(settings: Settings, port: int, registry: CollectorRegistry) -> Iterator[None]:
    server, thread = start_http_server(port, settings.host, registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
