"""The database: engine, clock and sessions.

Only `transaction()` commits; no other code of the service does.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from psycopg.errors import DiskFull
from sqlalchemy import (
    ColumnElement,
    Connection,
    DateTime,
    Dialect,
    Engine,
    create_engine,
    event,
    func,
    literal,
    make_url,
    select,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.types import TypeDecorator

WRITES = {"td3_writes": True}
"""Execution options of an engine or connection whose transactions write."""
BUSY_SECONDS = 30
CONNECT_SECONDS = 5
KEPT_CONNECTIONS = 10
"""Maximum number of idle connections that stay open."""
UNREACHABLE = {
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""TCP options that detect a disconnected server within seconds, not hours. The last is in milliseconds."""


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware time, stored and returned in UTC. SQLite itself has no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; reject times without a time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a time zone cannot be stored: {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the stored time as UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the use of PostgreSQL by a process; zero seconds mean no limit. They do not apply to SQLite."""

    connections: int = 40
    statement_seconds: float = 0
    lock_seconds: float = 0
    idle_seconds: float = 0
    """Maximum idle time in a transaction."""


class Sessions(Protocol):
    """What opens sessions: a `Database`, or what shares one."""

    def transaction(self) -> AbstractContextManager[Session]:
        """A session that commits when the block ends, and rolls back if the block raises."""
        ...

    def reading(self) -> AbstractContextManager[Session]:
        """A session for reading; changes are rolled back."""
        ...


class Database:
    """An engine and its sessions. Threads can share it, processes cannot.

    `name` is the application name of its connections in PostgreSQL. A broken connection is replaced when it is next
    used, so that the service recovers as soon as an outage is over.
    """

    def __init__(self, url: str, *, limits: Limits | None = None, name: str = "td3") -> None:
        self.engine = make_engine(url, limits=limits or Limits(), name=name)
        self._reading = sessionmaker(self.engine, expire_on_commit=False)
        self._writing = sessionmaker(self.engine.execution_options(**WRITES), expire_on_commit=False)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits when the block ends, and rolls back if the block raises."""
        with self._writing.begin() as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for reading a consistent snapshot; changes are rolled back."""
        with self._reading() as session:
            yield session

    def close(self) -> None:
        """Close all pooled connections."""
        self.engine.dispose()


def now(session: Session) -> datetime:
    """Return the time of the clock that all processes of a deployment share.

    Leases are granted by one machine and checked by another, so they are measured with the clock of the database, even
    if that of a worker is wrong. With SQLite, all processes run on one machine and share its clock. On PostgreSQL it is
    `clock_timestamp()`, because `now()` is the start of the transaction, which may have waited.
    """
    if session.get_bind().dialect.name == "postgresql":
        return session.execute(select(clock(session))).scalar_one()
    return datetime.now(UTC)


def clock(session: Session) -> ColumnElement[datetime]:
    """`now` as an SQL expression, which saves a query."""
    if session.get_bind().dialect.name == "postgresql":
        return func.clock_timestamp(type_=UtcDateTime())
    return literal(datetime.now(UTC), UtcDateTime())


def one_at_a_time(session: Session, name: str) -> None:
    """Wait until no other transaction holds the lock of this name, and hold it until this transaction ends.

    SQLite allows only one writing transaction at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def make_engine(url: str, *, limits: Limits | None = None, name: str = "td3") -> Engine:
    """Create the engine for `url`; a PostgreSQL URL without a driver uses psycopg."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed)
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    limits = limits or Limits()
    kept = min(limits.connections, KEPT_CONNECTIONS)
    timeouts = {
        "statement_timeout": limits.statement_seconds,
        "lock_timeout": limits.lock_seconds,
        "idle_in_transaction_session_timeout": limits.idle_seconds,
    }
    return create_engine(
        parsed,
        pool_size=kept,
        max_overflow=limits.connections - kept,
        pool_timeout=CONNECT_SECONDS,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "application_name": name,
            "options": " ".join(f"-c {key}={round(seconds * 1000)}" for key, seconds in timeouts.items()),
            **UNREACHABLE,
        },
    )


def ran_full(error: DBAPIError) -> bool:
    """Whether the error means that the database is full."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_FULL or isinstance(error.orig, DiskFull)


def _sqlite_engine(url: URL) -> Engine:
    """Create an SQLite engine with readers that never wait, and writers that wait for each other instead of failing.

    A transaction that begins with a read and then writes fails with SQLITE_BUSY at once if another has written
    meanwhile, whatever the busy timeout; therefore writers acquire the lock at their BEGIN. Python's sqlite3 begins
    transactions implicitly, so SQLAlchemy emits BEGIN instead (see its documentation on "SQLite transactions").
    """
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    _switch_to_wal(connection)


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL mode, with retries: the busy timeout does not apply to this statement."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    writes = WRITES.items() <= connection.get_execution_options().items()
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
