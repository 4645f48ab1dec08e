"""What the service keeps for itself: workers, messages to them, and requests that may come twice."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ColumnElement, String, Text, func, select
from sqlalchemy.orm import Mapped, MappedColumn, column_property, mapped_column

from api import ids
from api.models.base import Base
from api.models.runs import RUN_KINDS


class Worker(Base):
    """A worker process, with its last heartbeat."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    """Id of the worker, as in the column `worker` of its runs."""
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    queues: Mapped[list[str]] = mapped_column(JSON)
    device: Mapped[str] = mapped_column(String(64))
    gpu: Mapped[dict[str, Any] | None]
    """The fields of `api.workers.gpu.Gpu`, as of the last heartbeat."""
    version: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime] = mapped_column(index=True)
    stopped_at: Mapped[datetime | None]


def _traceparent_of(run_id: MappedColumn[str]) -> ColumnElement[str | None]:
    """Return the trace context of the run with this id, of any kind."""
    return func.coalesce(
        *(select(kind.traceparent).where(kind.id == run_id).scalar_subquery() for kind in RUN_KINDS)
    )


class OutboxMessage(Base):
    """A message that wakes up a worker for a run. It is written with the run and deleted by the claim.

    A message can be lost at any time before the claim (the broker restarts, or a worker dies that has received it), so
    the row stays until then.
    """

    __tablename__ = "outbox"

    run_id: Mapped[str] = mapped_column(String(ids.LENGTH), primary_key=True)
    task: Mapped[str] = mapped_column(String(64))
    queued_at: Mapped[datetime]
    """When the run was queued."""
    sends: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(index=True)
    """When the message is sent next."""
    traceparent: Mapped[str | None] = column_property(
        _traceparent_of(run_id),
        expire_on_flush=False,  # no run changes its trace
    )
    """Trace context of the run."""


class DeviceUse(Base):
    """What a project has used of the workers lately. Only `api.runs.shares` writes it."""

    __tablename__ = "device_use"

    tenant_id: Mapped[str] = mapped_column(String(ids.LENGTH), primary_key=True)
    at: Mapped[datetime]
    """When the sums were brought up to date; they halve at a fixed interval."""
    seconds: Mapped[float]
    """Seconds for which workers have held its runs."""
    claims: Mapped[float]
    """Number of times that they did."""


class Upload(Base):
    """A log that is being received, of a project whose uploads are limited."""

    __tablename__ = "uploads"

    id: Mapped[str] = mapped_column(String(ids.LENGTH), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(ids.LENGTH), index=True)
    expires_at: Mapped[datetime]
    """When it no longer counts, unless its process renews it."""


class IdempotencyKey(Base):
    """An idempotency key of a request that creates something, and the response."""

    __tablename__ = "idempotency_keys"

    tenant_id: Mapped[str] = mapped_column(String(ids.LENGTH), primary_key=True)
    route: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    holder: Mapped[str] = mapped_column(String(32))
    """Random id of the request that has locked the key or stored the response."""
    expires_at: Mapped[datetime] = mapped_column(index=True)
    """When the row expires. Without a response this is soon, unless the request renews it."""
    request: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 of the request."""
    status: Mapped[int | None]
    location: Mapped[str | None] = mapped_column(Text)
    body: Mapped[dict[str, Any] | None]
