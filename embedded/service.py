"""Running the whole service as child processes: broker, API, worker and keeper."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from embedded import access
from embedded.broker import Broker, start_broker
from embedded.errors import NotReadyError, PortTakenError
from embedded.lock import exclusive
from embedded.process import ChildProcess, free_port

READY_SECONDS = 90.0
MIGRATION_SECONDS = 120.0
# Seconds that a child has to exit: the API finishes its requests, the worker hands its run back.
GRACE_SECONDS = {"api": 10.0, "worker": 30.0, "keeper": 10.0, "broker": 10.0}
MODULES = {"migrate": "api.migrate", "api": "api", "worker": "worker", "keeper": "worker.keeper"}
METRICS_PORT = "TD3_METRICS_PORT"
ANY_HOST = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def command(name: str) -> list[str]:
    """Return the command of a process of the service: `api`, `worker`, `keeper` or `migrate`."""
    return [sys.executable, "-m", MODULES[name]]


class Service:
    """A running service. Its children are public so that they can be watched, and killed by tests."""

    def __init__(
        self,
        *,
        data_dir: Path,
        host: str,
        port: int,
        environment: Mapping[str, str],
        broker: Broker | None = None,
    ) -> None:
        """Describe it; a broker of its own is running already."""
        self.data_dir = data_dir
        self.log_dir = data_dir / "logs"
        reachable = ANY_HOST.get(host, host)
        self.url = f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
        self.children: dict[str, ChildProcess] = {} if broker is None else {"broker": broker.process}
        self.environment = environment
        self.key: str | None = None
        """The key of the user who runs it; None if access control is off."""
        self._broker = broker

    @property
    def key_file(self) -> Path:
        """File of the key, for programs other than its own client."""
        return self.data_dir / access.KEY_FILE

    def start(self, name: str) -> ChildProcess:
        """Start the child `name` (`api`, `worker`, `keeper` or the own `broker`), or start it again.

        Raises:
            EmbeddedError: The broker did not start.
        """
        if former := self.children.get(name):
            former.stop(grace=0)  # what it left running
        self.children[name] = child = self._started(name)
        return child

    def _started(self, name: str) -> ChildProcess:
        if name != "broker" or self._broker is None:
            return self._run(name, command(name))
        former = self._broker  # clients know its port and password
        self._broker = start_broker(
            self.data_dir / "broker", log=former.process.log, port=former.port, password=former.password
        )
        return self._broker.process

    def stop(self, name: str) -> None:
        """Stop the child `name` cleanly, if it was started."""
        if child := self.children.pop(name, None):
            child.stop(grace=GRACE_SECONDS[name])

    def migrate(self) -> None:
        """Migrate the database to the current schema.

        Raises:
            ChildDiedError: The migration failed; the message has the last lines of its log.
        """
        migration = self._run("migrate", command("migrate"))
        try:
            if migration.wait(MIGRATION_SECONDS) != 0:
                migration.check_alive()
        except subprocess.TimeoutExpired as error:
            raise NotReadyError(
                "migrate", seconds=MIGRATION_SECONDS, log=migration.log, tail=migration.log_tail()
            ) from error
        finally:
            migration.stop(grace=0)

    def check_alive(self) -> None:
        """Raise ChildDiedError if a child has exited."""
        for child in self.children.values():
            child.check_alive()

    def wait_until_ready(self) -> None:
        """Wait until the API is ready.

        Raises:
            ChildDiedError: A child exited meanwhile.
            NotReadyError: The API did not become ready; the message has the last lines of its log.
        """
        deadline = time.monotonic() + READY_SECONDS
        with httpx.Client(base_url=self.url, timeout=5.0, trust_env=False) as client:
            while time.monotonic() < deadline:
                self.check_alive()
                try:
                    if client.get("/readyz").is_success:
                        return
                except httpx.TransportError:
                    pass  # it is not listening yet
                time.sleep(0.05)
        api = self.children["api"]
        raise NotReadyError("api", seconds=READY_SECONDS, log=api.log, tail=api.log_tail())

    def _run(self, name: str, command: list[str]) -> ChildProcess:
        return ChildProcess(
            name,
            command,
            log=self.log_dir / f"{name}.log",
            env=self._environment_of(name),
        )

    def _environment_of(self, name: str) -> Mapping[str, str]:
        """Return the environment of a child; the keeper gets a metrics port of its own, next to the worker's."""
        port = self.environment.get(METRICS_PORT)
        if name != "keeper" or not port:
            return self.environment
        return {**self.environment, METRICS_PORT: str(int(port) + 1)}


@contextmanager
def running_service(
    *,
    data_dir: Path,
    environment: Mapping[str, str],
    host: str = "127.0.0.1",
    port: int | None = None,
    broker_url: str | None = None,
    access_control: str = "keys",
) -> Iterator[Service]:
    """Run the service with `data_dir` until the block ends; yield it when it is ready.

    Args:
        data_dir: Directory of the database, storage, broker data and logs; created if it does not exist.
        environment: Environment of the children, with all settings that differ from the defaults.
        host: Address to listen on.
        port: Port to listen on; `None` chooses a free one.
        broker_url: URL of a running broker; `None` starts one.
        access_control: Who may use it, as `TD3_ACCESS_CONTROL` has it. Unless it is `off`, the user gets a key, which
            the file `api-key` of the directory has, too, while the service is running.

    Raises:
        EmbeddedError: The service could not start.
    """
    data_dir = data_dir.resolve()
    port = free_port(ANY_HOST.get(host, host)) if port is None else port
    with ExitStack() as stack:
        stack.enter_context(exclusive(data_dir))
        _check_free(host, port)
        broker = None
        if broker_url is None:
            broker = start_broker(data_dir / "broker", log=data_dir / "logs" / "broker.log")
            stack.callback(broker.process.stop)
            broker_url = broker.url
        own = {
            "TD3_HOST": host,
            "TD3_PORT": str(port),
            "TD3_DATA_DIR": str(data_dir),
            "TD3_BROKER_URL": broker_url,
            "TD3_ACCESS_CONTROL": access_control,
            "PYTHONUNBUFFERED": "1",
        }
        service = Service(
            data_dir=data_dir, host=host, port=port, environment={**environment, **own}, broker=broker
        )
        stack.callback(service.stop, "broker")
        service.migrate()
        # Stopped in reverse order: first the API accepts no more requests, then the worker hands its run back.
        for name in ("keeper", "worker"):
            stack.callback(service.stop, name)
            service.start(name)
        if access_control != "off":
            service.key = access.new_key(service.environment)
            stack.enter_context(access.kept(service.key, service.key_file))
        stack.callback(service.stop, "api")
        service.start("api")
        service.wait_until_ready()
        yield service


def _check_free(host: str, port: int) -> None:
    """Check that the port is free, for a clearer error than the one in the log of the API.

    Raises:
        PortTakenError: It is not.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTakenError(host, port, reason=error.strerror or str(error)) from error
