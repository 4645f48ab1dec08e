"""What the service can be told from outside; nothing else reads the environment."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import AliasChoices, ByteSize, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from api.db import Limits
from api.errors import SettingsError

Queue = Literal["cpu", "gpu"]
"""What a run needs of a worker."""


def _database_in_data_dir(known: dict[str, Any]) -> str:
    """A URL that means this file, also where the folder's name has what URLs give a meaning to, such as `#`."""
    path = known["data_dir"].absolute() / "td3.sqlite3"
    return URL.create("sqlite", database=path.as_posix()).render_as_string()


def _storage_in_data_dir(known: dict[str, Any]) -> str:
    return (known["data_dir"].absolute() / "storage").as_uri()


class Settings(BaseSettings):
    """Read from `TD3_...` variables; every default suits the embedded profile."""

    model_config = SettingsConfigDict(env_prefix="TD3_", frozen=True, extra="ignore", validate_by_name=True)

    host: str = Field(
        default="127.0.0.1",
        description="Address that API and metrics are served on; loopback unless told otherwise.",
    )
    port: int = Field(default=8000, ge=0, le=65535, description="Port the API listens on.")
    data_dir: Path = Field(
        default=Path("var"),
        description="Folder of the embedded database and storage, and of work in progress.",
    )
    database_url: str = Field(
        default_factory=_database_in_data_dir,
        repr=False,
        description="`sqlite:///...` or `postgresql://...`; left out: a file in the data folder.",
    )
    database_connections: int = Field(
        default=40,
        ge=1,
        description="Most connections a process opens to PostgreSQL; it keeps up to 10 of them.",
    )
    database_statement_seconds: float = Field(
        default=30, ge=0, description="PostgreSQL gives up a statement after so long; 0: never."
    )
    database_lock_seconds: float = Field(
        default=10, ge=0, description="PostgreSQL gives up waiting for a lock after so long; 0: never."
    )
    database_idle_seconds: float = Field(
        default=60, ge=0, description="PostgreSQL ends a transaction in which nothing happens; 0: never."
    )
    broker_url: str | None = Field(
        default=None,
        repr=False,
        description="`redis://host:port/db` of a Redis or Valkey; the embedded profile runs one.",
    )
    storage_url: str = Field(
        default_factory=_storage_in_data_dir,
        repr=False,
        description="`file:///folder`, or `s3://bucket/prefix` with credentials and endpoint in `AWS_...`.",
    )
    signed_url_seconds: int = Field(
        default=0,
        ge=0,
        le=7 * 86400,
        description="Clients fetch summaries from the bucket, by signed URLs that last so long; 0: from the API.",
    )
    keep_logs_days: float | None = Field(
        default=None, ge=0, description="Logs go so long after the last run that needed them; unset: never."
    )
    keep_summaries_days: float | None = Field(
        default=None, ge=0, description="Summaries go so long after the last run on them; unset: never."
    )
    orphan_days: float = Field(
        default=7, ge=0, description="What is in storage without a row that points at it goes after so long."
    )
    clean_seconds: float = Field(
        default=3600, gt=0, description="How often the keeper looks for what may go from storage."
    )
    max_upload_bytes: ByteSize = Field(
        default=ByteSize(8 * 2**30), gt=0, description="Largest log accepted, as sent; larger ones get a 413."
    )
    validate_whole_bytes: ByteSize = Field(
        default=ByteSize(256 * 2**20),
        ge=0,
        description="Logs up to this size, as sent and in memory, are validated whole before the answer, "
        "larger ones at their head.",
    )
    validate_head_bytes: ByteSize = Field(
        default=ByteSize(4 * 2**20),
        gt=0,
        description="How much of a larger log is validated before the answer.",
    )
    lease_seconds: float = Field(default=60, gt=0, description="How long a silent worker keeps its run.")
    heartbeat_seconds: float = Field(
        default_factory=lambda known: min(10.0, known["lease_seconds"] / 3),
        gt=0,
        description="How often a worker extends its lease; left out: 10, or a third of a lease shorter than 30.",
    )
    sweep_seconds: float = Field(
        default=10, gt=0, description="How often the keeper looks for what was left behind."
    )
    resend_seconds: float = Field(
        default=300,
        gt=0,
        description="A queued run that nobody claimed is announced again, at doubling intervals.",
    )
    checkpoint_seconds: float = Field(
        default=60,
        gt=0,
        description="How often a run keeps a checkpoint: about what it loses when its worker vanishes.",
    )
    storage_patience_seconds: float = Field(
        default=3600,
        ge=0,
        description="How long a run waits for a storage that is away or full before it fails.",
    )
    max_attempts: int = Field(
        default=3,
        ge=1,
        description="A run whose worker vanished this often without getting further is given up as failed.",
    )
    idempotency_seconds: float = Field(
        default=86400, gt=0, description="How long an `Idempotency-Key` brings back the answer it got."
    )
    worker_retention_seconds: float = Field(
        default=86400, gt=0, description="How long a worker that is not seen any more stays listed."
    )
    queue: Queue = Field(
        default="cpu",
        description="Where new runs are sent: `cpu` reaches every worker, `gpu` only those with a GPU.",
    )
    worker_queues: Literal["auto", "cpu", "gpu", "cpu,gpu"] = Field(
        default="auto",
        description="What a worker takes runs from; `auto`: `cpu`, and `gpu` too where there is one.",
    )
    run_memory_bytes: ByteSize | None = Field(
        default=None,
        gt=0,
        description="Most memory of its own a run may have, that of its libraries included (the kernel's "
        "RLIMIT_DATA); left out: no limit.",
    )
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="`auto` (cuda where there is one), `cpu`, `cuda`, `cuda:1`, ...",
    )
    torch_threads: int = Field(
        default=1,
        ge=1,
        description="CPU threads of a run. Learners are small: more pay only on idle cores or large catalogues.",
    )
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65534,
        description="Port of a worker's or keeper's metrics (a keeper beside a worker: the next); none unless set.",
    )
    otlp_endpoint: str | None = Field(
        default=None,
        validation_alias=AliasChoices("TD3_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="Where traces go by OTLP over HTTP: `http://collector:4318`; left out: nowhere.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="`DEBUG`, `INFO`, `WARNING` or `ERROR`."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="`auto`: colours on a terminal, JSON lines elsewhere."
    )

    @field_validator("database_url")
    @classmethod
    def _is_of_a_known_database(cls, url: str) -> str:
        try:
            known = make_url(url).get_backend_name() in ("sqlite", "postgresql", "postgres")
        except (ArgumentError, ValueError):
            known = False
        if not known:
            raise ValueError("expected sqlite:///file or postgresql://user@host/database")
        return url

    @model_validator(mode="after")
    def _lease_outlives_a_lost_heartbeat(self) -> Self:
        if self.heartbeat_seconds > self.lease_seconds / 3:
            raise ValueError(
                f"TD3_HEARTBEAT_SECONDS={self.heartbeat_seconds:g} with TD3_LEASE_SECONDS={self.lease_seconds:g}: "
                "a heartbeat is at most a third of the lease, or runs lose their lease"
            )
        return self

    @property
    def database_limits(self) -> Limits:
        """What the service allows itself of PostgreSQL; migrations, which may take long, do not ask."""
        return Limits(
            connections=self.database_connections,
            statement_seconds=self.database_statement_seconds,
            lock_seconds=self.database_lock_seconds,
            idle_seconds=self.database_idle_seconds,
        )

    @property
    def required_broker_url(self) -> str:
        """The broker's URL.

        Raises:
            SettingsError: There is none.
        """
        if not self.broker_url:
            raise SettingsError(
                "TD3_BROKER_URL is not set: expected redis://host:port/db of a Redis or Valkey"
            )
        return self.broker_url

    @property
    def uploads_dir(self) -> Path:
        """Where uploads are received."""
        return self.data_dir / "uploads"

    @property
    def work_dir(self) -> Path:
        """Where runs keep their files."""
        return self.data_dir / "work"


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        SettingsError: A variable holds what it must not; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = [
            _one_line(problem)
            for problem in error.errors()
            # A default that follows from a wrong variable is not wrong itself.
            if problem["type"] != "default_factory_not_called"
        ]
        raise SettingsError("; ".join(problems)) from None


def _one_line(problem: ErrorDetails) -> str:
    """`TD3_PORT='many': reason`; what may hold a password is not shown, and rules of two variables name them."""
    reason = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return reason
    name = str(problem["loc"][0])
    given = f"={problem['input']!r}" if Settings.model_fields[name].repr else ""
    return f"TD3_{name.upper()}{given}: {reason}"
