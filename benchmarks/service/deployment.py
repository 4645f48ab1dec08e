"""The service in the production profile, on loopback, with workers whose jobs do nothing."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from embedded.broker import Broker, start_broker
from embedded.process import ChildProcess, free_port
from embedded.service import GRACE_SECONDS, Service
from tests.support.servers.postgres import PostgresServer, postgres_process


@contextmanager
def servers(folder: Path) -> Iterator[tuple[PostgresServer, Broker]]:
    """A PostgreSQL that syncs every commit, and a Valkey that syncs every second."""
    with (
        postgres_process(durable=True) as process,
        start_broker(folder / "broker", log=folder / "broker.log") as broker,
    ):
        yield PostgresServer(process.url), broker


@contextmanager
def service_on(folder: Path, database_url: str, broker_url: str) -> Iterator[Service]:
    """The service on these servers, migrated; nothing of it runs yet."""
    port = free_port()
    own = {name: value for name, value in os.environ.items() if not name.startswith("TD3_")}
    settings = {
        "TD3_PORT": str(port),
        "TD3_DATA_DIR": str(folder),
        "TD3_DATABASE_URL": database_url,
        "TD3_BROKER_URL": broker_url,
        "TD3_SWEEP_SECONDS": "1",
    }
    service = Service(data_dir=folder, host="127.0.0.1", port=port, environment=own | settings)
    service.migrate()
    with ExitStack() as stack:
        for name in GRACE_SECONDS:
            stack.callback(service.stop, name)
        yield service


@contextmanager
def empty_worker(service: Service, *, number: int = 0, tasks_per_child: int) -> Iterator[ChildProcess]:
    """A worker of the service whose jobs do nothing."""
    command = [sys.executable, "-m", "benchmarks.service.empty", str(tasks_per_child)]
    log = service.log_dir / f"empty-{number}.log"
    worker = ChildProcess(f"empty-{number}", command, log=log, env=service.environment)
    try:
        yield worker
    finally:
        worker.stop()
