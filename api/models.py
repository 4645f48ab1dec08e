"""The database tables. Every resource belongs to a tenant; all kinds of runs share the columns of `Run`."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Enum,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    func,
    select,
)
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedColumn,
    column_property,
    declared_attr,
    mapped_column,
    relationship,
)

from api import ids
from api.db import UtcDateTime
from api.telemetry import correlation

DEFAULT_TENANT = "default"


class RunState(StrEnum):
    """State of a run.

    `queued -> running -> succeeded | failed`; `running -> pausing -> paused -> queued`, and `queued -> paused`; and
    from every state that is not final `-> cancelling -> cancelled`, or directly to `cancelled` if no worker holds it.
    """

    QUEUED = "queued"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self in ENDED


ENDED = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)
HELD = (RunState.RUNNING, RunState.PAUSING, RunState.CANCELLING)


class DeliveryState(StrEnum):
    """State of a delivery: `waiting -> delivered | failed`, and back to `waiting` if a client asks for it again."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


def _states(kind: type[StrEnum]) -> Enum:
    """The type of a column with one of the states, which the database keeps as a text."""
    return Enum(kind, native_enum=False, length=16, values_callable=lambda states: [str(s) for s in states])


class Base(DeclarativeBase):
    """Base class, which names every constraint so that migrations can refer to it on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {
        datetime: UtcDateTime(),
        dict[str, Any]: JSON(none_as_null=True),
        RunState: _states(RunState),
        DeliveryState: _states(DeliveryState),
    }


class Listed(Base):
    """Something that lists show, newest first."""

    __abstract__ = True

    id: Mapped[str] = mapped_column(String(ids.LENGTH), primary_key=True, sort_order=-3)
    created_at: Mapped[datetime] = mapped_column(sort_order=-1)


class Resource(Listed):
    """A resource of the API: it has an id, an owner and a creation time."""

    __abstract__ = True

    tenant_id: Mapped[str] = mapped_column(String(ids.LENGTH), sort_order=-2)


class Project(Listed):
    """A project. The rows that it owns have its id as their `tenant_id`."""

    __tablename__ = "projects"

    name: Mapped[str] = mapped_column(String(200))


class ApiKey(Resource):
    """A key with which clients prove who they are. Its text is not stored, only the hash."""

    __tablename__ = "api_keys"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True, sort_order=-2)
    name: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    last_characters: Mapped[str] = mapped_column(String(4))
    """The end of its text, by which people recognise it."""
    scopes: Mapped[list[str]] = mapped_column(JSON)
    """As given, without those that they include."""
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    """When it was last used, to the minute."""
    replaces: Mapped[str | None] = mapped_column(ForeignKey("api_keys.id"), index=True)
    """Id of the key that it replaced, which stays valid for a while."""
    created_by: Mapped[str | None] = mapped_column(String(ids.LENGTH), default=correlation.current_key_id)
    """Id of the key that created it; null if the command did, on the machine of the service."""


class AuditEntry(Resource):
    """A change, and who made it. Only `api.audit` writes it, in the transaction of the change."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "tenant_id", "id"), Index(None, "created_at"))

    action: Mapped[str] = mapped_column(String(64))
    target: Mapped[str] = mapped_column(String(ids.LENGTH))
    """Id of what was changed."""
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    key_id: Mapped[str | None] = mapped_column(String(ids.LENGTH))
    """Id of the API key of the request; null without access control, and for commands."""
    address: Mapped[str | None] = mapped_column(String(64))
    """Address that the request came from."""
    request_id: Mapped[str | None] = mapped_column(String(64))


class Run(Resource):
    """Something that a worker can claim and execute. Only `api.runs` changes these columns."""

    __abstract__ = True
    kind: ClassVar[str]
    """Name of the kind in metrics."""
    task: ClassVar[str]
    """Name of the Celery task that executes it."""
    job_column: ClassVar[str]
    """Name of the column with the id of the job whose log and summary it uses."""

    spec: Mapped[dict[str, Any]]
    """The spec, with the defaults of the version that accepted it. It is shown unchanged and upgraded for execution."""
    spec_format: Mapped[int] = mapped_column(server_default="1")
    """Format version of the spec; see `td3core.formats`."""
    state: Mapped[RunState] = mapped_column(default=RunState.QUEUED)
    attempt: Mapped[int] = mapped_column(default=0)
    """Number of the current attempt. Every claim increases it, and every write of a run checks it (the fence)."""
    crashes: Mapped[int] = mapped_column(default=0)
    """Number of attempts whose worker disappeared since the last checkpoint with new progress.

    Attempts that were handed back do not count. The run fails if it reaches `TD3_MAX_ATTEMPTS`.
    """
    worker: Mapped[str | None] = mapped_column(String(255))
    lease_expires_at: Mapped[datetime | None]
    stage: Mapped[str | None] = mapped_column(String(32))
    progress: Mapped[float] = mapped_column(default=0.0)
    step: Mapped[int] = mapped_column(default=0)
    steps: Mapped[int] = mapped_column(default=0)
    losses: Mapped[dict[str, Any] | None]
    scores: Mapped[dict[str, Any] | None]
    """None of runs reported by versions that had them among the losses."""
    eta_seconds: Mapped[float | None]
    error: Mapped[dict[str, Any] | None]
    """`code`, `detail` and, for an invalid log, `errors` as in a problem document."""
    started_at: Mapped[datetime | None]
    """Start of the first attempt."""
    finished_at: Mapped[datetime | None]
    request_id: Mapped[str | None] = mapped_column(String(64), default=correlation.current_request_id)
    """Id of the request that created it, for searching the logs."""
    traceparent: Mapped[str | None] = mapped_column(String(64), default=correlation.current_traceparent)
    """Trace context of that request: every attempt continues its trace."""
    deadline_at: Mapped[datetime | None]
    """Deadline; the run fails if it has not ended by then."""
    created_by: Mapped[str | None] = mapped_column(String(ids.LENGTH), default=correlation.current_key_id)
    """Id of the API key that created it; null without access control."""

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Index, ...]:  # noqa: N805 (SQLAlchemy passes the class)
        """Indexes for the lists of the API and the queries of the keeper."""
        return (
            Index(None, "tenant_id", "id"),
            Index(None, "tenant_id", "state", "id"),
            Index(None, "state", "lease_expires_at"),
        )


class Dataset(Resource):
    """An interaction log in storage."""

    __tablename__ = "datasets"

    name: Mapped[str | None] = mapped_column(Text)
    """File name given by the client."""
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    storage_key: Mapped[str] = mapped_column(Text, index=True)
    expired_at: Mapped[datetime | None]
    """When it expired. The object is deleted after that, the row stays."""
    profile: Mapped[dict[str, Any] | None]
    """Statistics of the log after filtering; null until it has been read to its end."""
    reading: Mapped[dict[str, Any] | None]
    """How it was read; null if a version did that gave no such report."""


class Job(Run):
    """A distillation job."""

    __tablename__ = "jobs"
    kind, task, job_column = "job", "td3.distil", "id"

    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), index=True)
    fingerprint: Mapped[str | None] = mapped_column(String(64), index=True)
    """Hash that is equal for identical jobs; null for jobs of old versions."""
    metrics: Mapped[dict[str, Any] | None]
    dataset: Mapped[Dataset] = relationship(lazy="joined", innerjoin=True)
    summary: Mapped["SummaryArchive | None"] = relationship(lazy="joined")


class SummaryArchive(Base):
    """The archive with the summary of a job that has succeeded."""

    __tablename__ = "summaries"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(ids.LENGTH))
    created_at: Mapped[datetime]
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    storage_key: Mapped[str] = mapped_column(Text, index=True)
    expired_at: Mapped[datetime | None]
    """When it expired. The object is deleted after that, the row stays."""


class Evaluation(Run):
    """An evaluation of the summary of a job."""

    __tablename__ = "evaluations"
    kind, task, job_column = "evaluation", "td3.evaluate", "job_id"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    result: Mapped[dict[str, Any] | None]
    job: Mapped[Job] = relationship()


RUN_KINDS: tuple[type[Run], ...] = (Job, Evaluation)
"""All kinds of runs; each has its own table and task."""


class Event(Base):
    """An event of a run. Only `api.runs.events` writes it, in the transaction of the change that it describes."""

    __tablename__ = "events"

    run_id: Mapped[str] = mapped_column(String(ids.LENGTH), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Sequence number within the run: 1, 2, 3, ... without gaps."""
    at: Mapped[datetime]
    attempt: Mapped[int]
    kind: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]]


class Checkpoint(Base):
    """A checkpoint of a run in storage. Only `api.runs.checkpoints` writes it."""

    __tablename__ = "checkpoints"

    run_id: Mapped[str] = mapped_column(String(ids.LENGTH), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Number within the run: 1, 2, 3, ..."""
    attempt: Mapped[int]
    created_at: Mapped[datetime]
    storage_key: Mapped[str] = mapped_column(Text, index=True)
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    """Size of the object; null until it is uploaded. The row is written first, so that every object has one."""
    progress: Mapped[float]


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


class Webhook(Resource):
    """An endpoint of a client that is told of events. Only `api.webhooks` writes it and its deliveries."""

    __tablename__ = "webhooks"
    __table_args__ = (Index(None, "tenant_id", "id"), Index(None, "tenant_id", "job_id"))

    url: Mapped[str] = mapped_column(Text)
    events: Mapped[list[str]] = mapped_column(JSON)
    """Types of the events that it is told of."""
    job_id: Mapped[str | None] = mapped_column(String(ids.LENGTH))
    """The job that it was submitted with, whose events are its only ones; null: the events of all runs."""
    secret: Mapped[str] = mapped_column(String(120))
    former_secret: Mapped[str | None] = mapped_column(String(120))
    """The secret before the last rotation, which signs as well until `former_until`."""
    former_until: Mapped[datetime | None]
    enabled: Mapped[bool] = mapped_column(default=True)
    disabled_reason: Mapped[str | None] = mapped_column(Text)
    """Why the service switched it off; null if it is on, or a client did."""
    failing_since: Mapped[datetime | None]
    """When the first of the tries failed since one succeeded."""


class Delivery(Resource):
    """One event for one endpoint: what is sent, and the tries so far.

    Runs, events and endpoints are no foreign keys, so that neither the end of a run nor the removal of an endpoint
    waits for the other; the sender removes deliveries whose endpoint is gone.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        Index(None, "webhook_id", "id"),
        Index("uq_deliveries_webhook_id_run_id_seq", "webhook_id", "run_id", "seq", unique=True),
        Index(None, "state", "next_try_at"),
    )

    webhook_id: Mapped[str] = mapped_column(String(ids.LENGTH))
    type: Mapped[str] = mapped_column(String(64))
    run_id: Mapped[str | None] = mapped_column(String(ids.LENGTH))
    seq: Mapped[int | None]
    """Number of the event within its run. Null, as the run, if it tells of none."""
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[DeliveryState] = mapped_column(default=DeliveryState.WAITING)
    failures: Mapped[int] = mapped_column(default=0)
    """Number of tries that failed since it was made, or last asked for."""
    tries: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    """The latest tries, oldest first, as `api.webhooks.schemas.TryOut` shows them."""
    next_try_at: Mapped[datetime | None]
    """When it is sent next. A keeper that sends it sets this to the end of its lease. Null: never."""


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
