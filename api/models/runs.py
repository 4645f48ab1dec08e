"""Runs of every kind, what they use and what they leave."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, false, text
from sqlalchemy.orm import Mapped, declared_attr, foreign, mapped_column, relationship

from api import ids
from api.models.base import Base, Resource
from api.models.states import Priority, RunState
from api.telemetry import correlation

DELETED = text("deleted_at IS NOT NULL")


class Label(Base):
    """A label of a run, for finding it. Only `api.runs.annotations` writes it.

    Labels are rows and not a JSON column of the run, because both databases can look rows up by an index.
    """

    __tablename__ = "labels"
    __table_args__ = (Index(None, "tenant_id", "key", "value", "run_id"),)

    run_id: Mapped[str] = mapped_column(String(ids.LENGTH), primary_key=True)
    key: Mapped[str] = mapped_column(String(63), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(ids.LENGTH))
    value: Mapped[str] = mapped_column(String(100))


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
    priority: Mapped[Priority] = mapped_column(default=Priority.NORMAL, server_default="1")
    attempt: Mapped[int] = mapped_column(default=0)
    """Number of the current attempt. Every claim increases it, and every write of a run checks it (the fence)."""
    crashes: Mapped[int] = mapped_column(default=0)
    """Number of attempts whose worker disappeared since the last checkpoint with new progress.

    Attempts that were handed back do not count. The run fails if it reaches `TD3_MAX_ATTEMPTS`.
    """
    worker: Mapped[str | None] = mapped_column(String(255))
    lease_expires_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    """Start of the latest attempt; null of those that versions before 0.2 started."""
    yields: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether the current attempt has been asked to make room for a run of a higher class."""
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
    created_by: Mapped[str | None] = mapped_column(String(ids.LENGTH), default=correlation.current_caller_id)
    """Id of the API key or the user that created it; null without access control."""
    name: Mapped[str | None] = mapped_column(String(200))
    """Name given by a client, for people."""
    pinned: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether retention keeps what it uses and made."""
    deleted_at: Mapped[datetime | None]
    """When it was deleted. It is hidden since then, and the keeper removes it later."""

    @declared_attr
    def label_rows(cls) -> Mapped[list[Label]]:  # noqa: N805 (SQLAlchemy passes the class)
        """Its labels, of all runs of a page in one query."""
        return relationship(
            Label,
            primaryjoin=lambda: foreign(Label.run_id) == cls.id,
            order_by=Label.key,
            lazy="selectin",
            viewonly=True,
        )

    @property
    def labels(self) -> dict[str, str]:
        """Its labels, by key."""
        return {label.key: label.value for label in self.label_rows}

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Index, ...]:  # noqa: N805 (SQLAlchemy passes the class)
        """Indexes for the lists of the API, for the queries of the keeper, and of the queue in its order."""
        queued = text("state = 'queued'")
        return (
            Index(None, "tenant_id", "created_at", "id"),
            Index(None, "tenant_id", "finished_at", "id"),
            Index(None, "tenant_id", "state", "created_at", "id"),
            Index(None, "tenant_id", "created_by", "created_at", "id"),
            Index(None, "state", "lease_expires_at"),
            Index(
                None,
                *("priority", "tenant_id", "created_at", "id"),
                postgresql_where=queued,
                sqlite_where=queued,
            ),
            Index(None, "deleted_at", sqlite_where=DELETED, postgresql_where=DELETED),
        )


class Dataset(Resource):
    """An interaction log in storage."""

    __tablename__ = "datasets"
    __table_args__ = (Index(None, "tenant_id", "name"), Index(None, "tenant_id", "storage_key"))

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
    reserved_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """Expected size of its summary, which counts as stored until it has ended."""
    metrics: Mapped[dict[str, Any] | None]
    dataset: Mapped[Dataset] = relationship(lazy="joined", innerjoin=True)
    summary: Mapped["SummaryArchive | None"] = relationship(lazy="joined")


class SummaryArchive(Base):
    """The archive with the summary of a job that has succeeded."""

    __tablename__ = "summaries"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(ids.LENGTH), index=True)
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
