"""The tables. Every resource belongs to a tenant; whatever a worker can claim shares the columns of `Run`."""

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
    """What a run is doing.

    `queued -> running -> succeeded | failed`; `running -> pausing -> paused -> queued`, and `queued -> paused`;
    and whatever has not ended `-> cancelling -> cancelled`, at once where no worker holds it.
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
        """Whether nothing will change any more."""
        return self in ENDED


ENDED = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)
HELD = (RunState.RUNNING, RunState.PAUSING, RunState.CANCELLING)


class Base(DeclarativeBase):
    """Names every constraint, so that migrations can refer to it on both databases."""

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
        RunState: Enum(
            RunState, native_enum=False, length=16, values_callable=lambda states: [str(s) for s in states]
        ),
    }


class Resource(Base):
    """What a client can name: an id, an owner, and when it came to be."""

    __abstract__ = True

    id: Mapped[str] = mapped_column(String(ids.LENGTH), primary_key=True, sort_order=-3)
    tenant_id: Mapped[str] = mapped_column(String(ids.LENGTH), sort_order=-2)
    created_at: Mapped[datetime] = mapped_column(sort_order=-1)


class Run(Resource):
    """What a worker can claim. Only `api.runs` changes these columns."""

    __abstract__ = True
    kind: ClassVar[str]
    """What metrics call it."""
    task: ClassVar[str]
    """Name of the task that runs it."""
    job_column: ClassVar[str]
    """Name of the column with the id of the job whose log and summary it needs."""

    spec: Mapped[dict[str, Any]]
    """What was asked for, with the defaults of the version that took it; shown as it is, upgraded where it runs."""
    spec_format: Mapped[int] = mapped_column(server_default="1")
    """See `td3core.formats`."""
    state: Mapped[RunState] = mapped_column(default=RunState.QUEUED)
    attempt: Mapped[int] = mapped_column(default=0)
    """Grows with every claim and guards every write of a run: a fence against workers that were given up."""
    crashes: Mapped[int] = mapped_column(default=0)
    """Attempts whose worker vanished since the run last kept a checkpoint further than any before; capped.

    Attempts that were handed back cost nothing.
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
    """`code`, `detail` and, for a bad log, `errors` as in a problem document."""
    started_at: Mapped[datetime | None]
    """When its first attempt began."""
    finished_at: Mapped[datetime | None]
    request_id: Mapped[str | None] = mapped_column(String(64), default=correlation.current_request_id)
    """Of the request that created it: finds it in the logs."""
    traceparent: Mapped[str | None] = mapped_column(String(64), default=correlation.current_traceparent)
    """Of that request's span: every attempt continues its trace."""
    deadline_at: Mapped[datetime | None]
    """When it fails if it has not ended by then."""

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Index, ...]:  # noqa: N805 (SQLAlchemy passes the class)
        """The lists a client reads, and what the keeper looks for."""
        return (
            Index(None, "tenant_id", "id"),
            Index(None, "tenant_id", "state", "id"),
            Index(None, "state", "lease_expires_at"),
        )


class Dataset(Resource):
    """An interaction log in storage."""

    __tablename__ = "datasets"

    name: Mapped[str | None] = mapped_column(Text)
    """The client's name for the file."""
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    storage_key: Mapped[str] = mapped_column(Text, index=True)
    expired_at: Mapped[datetime | None]
    """When it stopped being kept; the object goes, the row tells of it."""
    profile: Mapped[dict[str, Any] | None]
    """Known once the whole log has been read."""


class Job(Run):
    """A distillation: a log goes in, a summary comes out."""

    __tablename__ = "jobs"
    kind, task, job_column = "job", "td3.distil", "id"

    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), index=True)
    fingerprint: Mapped[str | None] = mapped_column(String(64), index=True)
    """The same for identical jobs; none of jobs from before it was kept."""
    metrics: Mapped[dict[str, Any] | None]
    dataset: Mapped[Dataset] = relationship(lazy="joined", innerjoin=True)
    summary: Mapped["SummaryArchive | None"] = relationship(lazy="joined")


class SummaryArchive(Base):
    """The artefact of a job that succeeded."""

    __tablename__ = "summaries"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(ids.LENGTH))
    created_at: Mapped[datetime]
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    storage_key: Mapped[str] = mapped_column(Text, index=True)
    expired_at: Mapped[datetime | None]
    """When it stopped being kept; the object goes, the row tells of it."""


class Evaluation(Run):
    """A comparison of what learners gain from a job's summary."""

    __tablename__ = "evaluations"
    kind, task, job_column = "evaluation", "td3.evaluate", "job_id"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    result: Mapped[dict[str, Any] | None]
    job: Mapped[Job] = relationship()


RUN_KINDS: tuple[type[Run], ...] = (Job, Evaluation)
"""Whatever a worker can claim; each is a table of its own with a task of its own."""


class Event(Base):
    """Something that happened to a run. Only `api.runs.events` writes it, in the transaction that made it happen."""

    __tablename__ = "events"

    run_id: Mapped[str] = mapped_column(String(ids.LENGTH), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """1, 2, 3, ... of each run, without gaps."""
    at: Mapped[datetime]
    attempt: Mapped[int]
    kind: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]]


class Checkpoint(Base):
    """How far a run had come, kept in storage. Only `api.runs.checkpoints` writes it."""

    __tablename__ = "checkpoints"

    run_id: Mapped[str] = mapped_column(String(ids.LENGTH), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """1, 2, 3, ... of each run."""
    attempt: Mapped[int]
    created_at: Mapped[datetime]
    storage_key: Mapped[str] = mapped_column(Text, index=True)
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    """None until the object is there: nothing gets into storage without a row that tells of it."""
    progress: Mapped[float]


class IdempotencyKey(Base):
    """What a client called a request that creates something, and the answer it got."""

    __tablename__ = "idempotency_keys"

    tenant_id: Mapped[str] = mapped_column(String(ids.LENGTH), primary_key=True)
    route: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    holder: Mapped[str] = mapped_column(String(32))
    """The request that is at work under this key, or that answered."""
    expires_at: Mapped[datetime] = mapped_column(index=True)
    """Without an answer: soon, unless its request goes on renewing it."""
    request: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 of what was asked for."""
    status: Mapped[int | None]
    location: Mapped[str | None] = mapped_column(Text)
    body: Mapped[dict[str, Any] | None]


class Worker(Base):
    """A worker process, as it last wrote of itself."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    """What the runs that it holds have in their column `worker`."""
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    queues: Mapped[list[str]] = mapped_column(JSON)
    device: Mapped[str] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime] = mapped_column(index=True)
    stopped_at: Mapped[datetime | None]


def _traceparent_of(run_id: MappedColumn[str]) -> ColumnElement[str | None]:
    """The trace of the run of whatever kind that has this id."""
    return func.coalesce(
        *(select(kind.traceparent).where(kind.id == run_id).scalar_subquery() for kind in RUN_KINDS)
    )


class OutboxMessage(Base):
    """Somebody must wake up for this run: written with the run, deleted by the claim.

    A message can be lost until the very moment of the claim (by a broker that restarts, by a worker that dies
    with it in its hands), so the row stays until then.
    """

    __tablename__ = "outbox"

    run_id: Mapped[str] = mapped_column(String(ids.LENGTH), primary_key=True)
    task: Mapped[str] = mapped_column(String(64))
    queued_at: Mapped[datetime]
    """Since when the run waits."""
    sends: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(index=True)
    """When it is to be sent, or sent again."""
    traceparent: Mapped[str | None] = column_property(
        _traceparent_of(run_id),
        expire_on_flush=False,  # no run changes its trace
    )
    """Of its run."""
