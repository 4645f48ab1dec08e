"""Prometheus metrics of worker and keeper, served on the port `TD3_METRICS_PORT` if it is set.

Each run is executed in a new child process, but Prometheus scrapes the long-lived worker. The children therefore keep
their metrics in memory-mapped files (the multiprocess mode of prometheus-client). One set of files per worker is
enough, because only one child runs at a time, and each continues the counts of the one before.
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
"""Environment variable with the directory of the files, in this process and its children."""
WAIT_BUCKETS = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)
RUN_BUCKETS = (1, 5, 15, 60, 180, 600, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 24 * 3600)
LEASE_LOST = "lease_lost"
"""Outcome of an attempt that could not write its end, because it had lost the run."""
WATCHED = (RunState.SUCCEEDED, RunState.FAILED, LEASE_LOST)
"""Outcomes that alerts refer to."""
STEP_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class RunMetrics:
    """Metrics of a process that executes runs."""

    def __init__(self) -> None:
        self.wait = Histogram(
            "td3_run_wait_seconds",
            "Seconds that a run waited in the queue until it was claimed.",
            ["kind"],
            buckets=WAIT_BUCKETS,
            registry=None,
        )
        self.duration = Histogram(
            "td3_run_duration_seconds",
            "Seconds from the claim of a run to the end of the attempt, by outcome.",
            ["kind", "outcome"],
            buckets=RUN_BUCKETS,
            registry=None,
        )
        self.step = Histogram(
            "td3_run_step_seconds",
            "Seconds per step of a stage.",
            ["stage"],
            buckets=STEP_BUCKETS,
            registry=None,
        )
        # Prometheus detects an increase only for a series that existed before.
        for model, outcome in itertools.product(RUN_KINDS, WATCHED):
            self.duration.labels(model.kind, outcome)


@functools.cache
def run_metrics() -> RunMetrics:
    """Return the metrics of this process; called only in the children, as the main process just reads the files."""
    if FOLDER in os.environ:
        prometheus_client.values.ValueClass = MultiProcessValue(lambda: "run")
    return RunMetrics()


@functools.cache
def runs_of_ended_children() -> Counter:
    """Return the counter of the runs that their child did not end itself; it belongs to the main process."""
    counter = Counter(
        "td3_worker_children_ended",
        "Number of runs whose process was ended before the run, by what became of the run: queued, failed, cancelled "
        "or paused.",
        ["outcome"],
        registry=None,
    )
    for outcome in (RunState.QUEUED, RunState.FAILED, RunState.CANCELLED, RunState.PAUSED):
        counter.labels(outcome)
    return counter


class KeeperMetrics:
    """Metrics of a keeper."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.expired = Counter(
            "td3_keeper_leases_expired",
            "Number of runs whose worker disappeared, by outcome: requeued, failed, cancelled or paused.",
            ["outcome"],
            registry=registry,
        )
        self.sent = Counter(
            "td3_keeper_messages_sent",
            "Number of messages that the keeper sent, late or again.",
            registry=registry,
        )
        self.webhook_tries = Counter(
            "td3_keeper_webhook_tries",
            "Number of tries to deliver webhooks, by outcome: delivered, retried, failed (for good) or lease_lost.",
            ["outcome"],
            registry=registry,
        )
        self.swept_at = Gauge(
            "td3_keeper_last_sweep_timestamp_seconds", "Time of the last successful round.", registry=registry
        )


@contextmanager
def serving_run_metrics(settings: Settings) -> Iterator[None]:
    """Serve the metrics of the children until the block ends; does nothing if no port is set."""
    if settings.metrics_port is None:
        yield
        return
    base = settings.data_dir.absolute() / "metrics"
    scratch.clear_abandoned(base)
    with scratch.scratch_folder(base, prefix="worker") as folder:
        os.environ[FOLDER] = str(folder)
        registry = process_registry()
        MultiProcessCollector(registry, path=str(folder))
        registry.register(runs_of_ended_children())
        with _serving(settings, settings.metrics_port, registry):
            yield


@contextmanager
def serving(settings: Settings, registry: CollectorRegistry) -> Iterator[None]:
    """Serve the metrics of this process until the block ends; does nothing if no port is set."""
    if settings.metrics_port is None:
        yield
        return
    with _serving(settings, settings.metrics_port, registry):
        yield


def process_registry() -> CollectorRegistry:
    """Create a registry with the metrics of the process itself."""
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
