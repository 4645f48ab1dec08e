"""The database: engine, clock and the two kinds of session.

`transaction()` is the only code of the service that commits.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

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
"""Execution options of an engine or connection whose transactions are going to write."""
BUSY_SECONDS = 30
CONNECT_SECONDS = 5
KEPT_CONNECTIONS = 10
"""How many connections stay open while nobody needs them."""
UNREACHABLE = {
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""A server that a network cut off is given up after so many seconds (the last: milliseconds), not after hours."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, kept and given back in UTC; SQLite itself knows no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times and convert the others."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone was to be stored: {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Say that it is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of PostgreSQL a process may take; zero seconds are no limit. SQLite has none of these."""

    connections: int = 40
    statement_seconds: float = 0
    lock_seconds: float = 0
    idle_seconds: float = 0
    """In a transaction in which nothing happens."""


class Database:
    """One engine and its sessions, safe to share between threads, not between processes.

    `name` is what PostgreSQL knows its connections by. A connection that broke is replaced when it is next asked
    for, so that an outage lasts no longer than it lasts.
    """

    def __init__(self, url: str, *, limits: Limits | None = None, name: str = "td3") -> None:
        self.engine = make_engine(url, limits=limits or Limits(), name=name)
        self._reading = sessionmaker(self.engine, expire_on_commit=False)
        self._writing = sessionmaker(self.engine.execution_options(**WRITES), expire_on_commit=False)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits when the block ends, and rolls back when it raises."""
        with self._writing.begin() as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session on one consistent view; what is changed in it is lost."""
        with self._reading() as session:
            yield session

    def close(self) -> None:
        """Close all pooled connections."""
        self.engine.dispose()


def now(session: Session) -> datetime:
    """The time by the one clock that all processes of a deployment share.

    Leases are granted by one machine and judged by another, so they are measured on the database's clock,
    however wrong a worker's own may be. SQLite has no server: there all processes run on one machine and
    share its clock. `clock_timestamp()`, as `now()` is the start of the transaction, which may have waited.
    """
    if session.get_bind().dialect.name == "postgresql":
        return session.execute(select(clock(session))).scalar_one()
    return datetime.now(UTC)


def clock(session: Session) -> ColumnElement[datetime]:
    """`now` as an expression, for a statement that should not ask first."""
    if session.get_bind().dialect.name == "postgresql":
        return func.clock_timestamp(type_=UtcDateTime())
    return literal(datetime.now(UTC), UtcDateTime())


def one_at_a_time(session: Session, name: str) -> None:
    """Wait until no other transaction that passed here by this name is open.

    SQLite lets one transaction write at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def make_engine(url: str, *, limits: Limits | None = None, name: str = "td3") -> Engine:
    """Build the engine for `url`, which may leave the choice of driver to us."""
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
    """Whether the database had no space left."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_FULL or isinstance(error.orig, DiskFull)


def _sqlite_engine(url: URL) -> Engine:
    """SQLite with readers that never wait, and writers that queue up instead of failing half-way.

    A transaction that starts as a reader and then writes gets SQLITE_BUSY at once if another wrote meanwhile,
    busy timeout or not; so writers take the lock at their BEGIN. Python's sqlite3 would choose its own
    moments to begin, which is why SQLAlchemy emits BEGIN (its documentation on "SQLite transactions").
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
    """Wait for others that do the same to a new file: for this one statement the busy timeout does not hold."""
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
