"""Settings of the service, read from `TD3_` environment variables, which no other module reads.

Libraries have variables of their own: the S3 client the `AWS_` ones, with which `api.storage.bucket` agrees on the
region; the Prometheus client `PROMETHEUS_MULTIPROC_DIR`, which `worker.metrics` sets for the children; and CUDA those
by which it numbers devices, which `worker.gpu` follows.
"""

import os
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import AliasChoices, ByteSize, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from api.db import Limits
from api.errors import SettingsError
from api.webhooks import addresses, schedule
from td3core.config.ceilings import Ceilings
from td3core.config.faults import expectation

EVERY_ADDRESS = ("", "0.0.0.0", "::")
PRIVATE = 0o077  # the umask: nobody but the user
LOOPBACK = ("localhost", "127.0.0.1", "::1")
BROKERS = ("redis", "rediss", "redis+socket", "sentinel")
"""Schemes of broker URLs, as Celery has them for Redis."""
Queue = Literal["cpu", "gpu"]
"""What a run requires of its worker."""


def _database_in_data_dir(known: dict[str, Any]) -> str:
    """URL of the database file; characters of the folder name that have a meaning in URLs, such as `#`, are escaped."""
    path = known["data_dir"].absolute() / "td3.sqlite3"
    return URL.create("sqlite", database=path.as_posix()).render_as_string()


def _storage_in_data_dir(known: dict[str, Any]) -> str:
    return (known["data_dir"].absolute() / "storage").as_uri()


class Settings(BaseSettings):
    """Read from `TD3_...` environment variables. The defaults are those of the embedded profile."""

    model_config = SettingsConfigDict(env_prefix="TD3_", frozen=True, extra="ignore", validate_by_name=True)

    host: str = Field(
        default="127.0.0.1",
        description="Address that the API and the metrics server listen on. By default they are reachable only from "
        "this machine.",
    )
    port: int = Field(
        default=8000, ge=0, le=65535, description="Port that the API listens on; 0 chooses a free one."
    )
    allowed_hosts: str | None = Field(
        default=None,
        description="Names and addresses by which clients reach the API, separated by commas; requests whose `Host` "
        "is another are rejected with status 421. `*` allows any. Default: those of loopback, and `TD3_HOST`.",
    )
    insecure: bool = Field(
        default=False,
        description="Serve the API on an address that other machines reach without access control: required for any "
        "`TD3_HOST` but those of loopback, unless `TD3_ACCESS_CONTROL` is on.",
    )
    access_control: Literal["off", "keys"] = Field(
        default="off",
        description="Who may use the API: `off` (whoever reaches it may do anything), or `keys` (a request needs an "
        "API key; `python -m api.keys` creates the first one).",
    )
    data_dir: Path = Field(
        default=Path("var"),
        description="Directory for uploads and runs in progress and, unless other URLs are set, for the database "
        "and the storage.",
    )
    database_url: str = Field(
        default_factory=_database_in_data_dir,
        repr=False,
        description="Database URL, `sqlite:///file` or `postgresql://user@host/database`. Default: an SQLite file "
        "in the data directory.",
    )
    database_connections: int = Field(
        default=40,
        ge=1,
        description="Maximum number of connections that each process opens to PostgreSQL; up to 10 stay open when "
        "idle.",
    )
    database_statement_seconds: float = Field(
        default=30, ge=0, description="Statement timeout of PostgreSQL in seconds; 0 disables it."
    )
    database_lock_seconds: float = Field(
        default=10, ge=0, description="Lock timeout of PostgreSQL in seconds; 0 disables it."
    )
    database_idle_seconds: float = Field(
        default=60, ge=0, description="Timeout of idle PostgreSQL transactions in seconds; 0 disables it."
    )
    broker_url: str | None = Field(
        default=None,
        repr=False,
        description="Broker URL, `redis://host:port/db` of a Redis or Valkey server. The embedded profile starts "
        "its own.",
    )
    storage_url: str = Field(
        default_factory=_storage_in_data_dir,
        repr=False,
        description="Storage URL, `file:///directory` or `s3://bucket/prefix`; credentials and endpoint of a "
        "bucket come from the `AWS_...` variables. Default: a directory in the data directory.",
    )
    signed_url_seconds: int = Field(
        default=0,
        ge=0,
        le=7 * 86400,
        description="Lifetime in seconds of the signed URLs by which clients download summaries from the bucket. "
        "0: the API sends the summaries itself.",
    )
    keep_logs_days: float | None = Field(
        default=None,
        ge=0,
        description="Retention of logs in days, counted from the end of the last run that used them. Default: "
        "unlimited.",
    )
    keep_summaries_days: float | None = Field(
        default=None,
        ge=0,
        description="Retention of summaries in days, counted from the end of the last run that used them. Default: "
        "unlimited.",
    )
    keep_audit_days: float = Field(
        default=365,
        ge=0,
        le=36_500,
        description="Retention of the audit log in days.",
    )
    orphan_days: float = Field(
        default=7,
        ge=0,
        description="Age in days at which stored objects that no database row refers to are deleted.",
    )
    clean_seconds: float = Field(
        default=3600,
        gt=0,
        description="Interval in seconds at which the keeper deletes expired and unreferenced objects from storage.",
    )
    max_upload_bytes: ByteSize = Field(
        default=ByteSize(8 * 2**30),
        gt=0,
        description="Maximum size of an uploaded log, as sent; a larger one is rejected with status 413.",
    )
    max_uploads: int = Field(
        default=64,
        ge=1,
        description="Maximum number of uploads at once; another one is answered with status 503.",
    )
    max_connections: int = Field(
        default=1000,
        ge=10,
        description="Maximum number of connections at once, with streams of events. A further one takes the place of "
        "the one that has been idle longest; if there is none, it is answered with status 503.",
    )
    validate_whole_bytes: ByteSize = Field(
        default=ByteSize(256 * 2**20),
        ge=0,
        description="Logs up to this size, both as sent and in memory, are validated completely before the "
        "response; of larger ones, only the beginning is.",
    )
    validate_head_bytes: ByteSize = Field(
        default=ByteSize(4 * 2**20),
        gt=0,
        description="How much of a larger log is validated before the response.",
    )
    validation_memory_bytes: ByteSize = Field(
        default=ByteSize(2 * 2**30),
        ge=256 * 2**20,
        description="Memory limit of a validation, which has a process of its own (RLIMIT_DATA). Of a log that needs "
        "more, only the beginning is validated before the response; a log whose beginning needs more is rejected.",
    )
    validation_seconds: float = Field(
        default=60,
        gt=0,
        le=3600,
        description="Time limit of a validation in seconds, with the same consequences as the memory limit.",
    )
    max_columns: int = Field(
        default=1000,
        ge=2,
        description="Maximum number of columns of a log; the same for API and workers.",
    )
    max_trainings: int = Field(
        default=Ceilings().trainings,
        ge=1,
        description="Maximum number of learners that the spec of an evaluation may ask for; more is rejected with "
        "status 422, as with the next two.",
    )
    max_steps: int = Field(
        default=Ceilings().steps,
        ge=1,
        description="Maximum number of training steps on a summary, of all learners, that a spec may come to.",
    )
    max_numbers: int = Field(
        default=Ceilings().numbers,
        ge=1,
        description="Maximum number of numbers that an outer step of a job may hold in memory, estimated from its "
        "spec.",
    )
    lease_seconds: float = Field(
        default=60,
        gt=0,
        description="Duration of a lease in seconds: a worker that does not renew its lease for this long loses "
        "its run.",
    )
    heartbeat_seconds: float = Field(
        default_factory=lambda known: min(10.0, known["lease_seconds"] / 3),
        gt=0,
        description="Interval in seconds at which a worker renews its lease; at most a third of the lease. "
        "Default: 10, or a third of a lease shorter than 30.",
    )
    sweep_seconds: float = Field(
        default=10,
        gt=0,
        description="Interval in seconds at which the keeper looks for expired leases, missed deadlines and unsent "
        "messages.",
    )
    resend_seconds: float = Field(
        default=300,
        gt=0,
        description="Seconds after which a queued run that no worker has claimed is sent to the broker again; "
        "doubles each time.",
    )
    checkpoint_seconds: float = Field(
        default=60,
        gt=0,
        description="Interval in seconds between the checkpoints of a run: about what is lost if its worker "
        "disappears.",
    )
    storage_patience_seconds: float = Field(
        default=3600,
        ge=0,
        description="Seconds that a run waits for a storage that is unavailable or full before it fails.",
    )
    max_attempts: int = Field(
        default=3,
        ge=1,
        description="A run fails when this many workers in a row have disappeared without making progress on it.",
    )
    idempotency_seconds: float = Field(
        default=86400,
        gt=0,
        description="Seconds for which a request with the same `Idempotency-Key` gets the same response again.",
    )
    worker_retention_seconds: float = Field(
        default=86400,
        gt=0,
        description="Seconds for which a worker stays listed after its last heartbeat.",
    )
    webhook_networks: str | None = Field(
        default=None,
        description="Networks that webhooks may be sent to, such as `10.0.0.0/8,fd00::/8`, separated by commas. "
        "Default: all public addresses. Addresses that are link-local or of the metadata service of a cloud are "
        "refused in any case.",
    )
    webhook_loopback: bool = Field(
        default=False,
        description="Whether webhooks may be sent to this machine itself (127.0.0.1), for development and tests.",
    )
    webhook_proxy: str | None = Field(
        default=None,
        repr=False,
        description="URL of an HTTP proxy that webhooks are sent through, such as `http://proxy:3128`. It looks up the "
        "names of receivers in place of the keeper, and has to refuse addresses that are not allowed.",
    )
    webhook_schedule: str = Field(
        default="0,5,300,1800,7200,18000,36000,50400,72000,86400",
        description="Seconds that a delivery waits before each try, separated by commas; up to a fifth is added at "
        "random. After the last one it has failed.",
    )
    webhook_timeout_seconds: float = Field(
        default=15,
        gt=0,
        le=120,
        description="Time limit of a try in seconds, from looking up the name of the receiver to its answer.",
    )
    webhook_failing_days: float = Field(
        default=5,
        gt=0,
        description="Days for which every try may fail until the service switches a webhook off.",
    )
    webhook_retention_days: float = Field(
        default=30, gt=0, description="Days for which deliveries of webhooks are kept."
    )
    queue: Queue = Field(
        default="cpu",
        description="Queue that new runs are sent to: every worker takes runs from `cpu`, only workers with a GPU "
        "from `gpu`.",
    )
    worker_queues: Literal["auto", "cpu", "gpu", "cpu,gpu"] = Field(
        default="auto",
        description="Queues that a worker takes runs from: `cpu`, `gpu`, `cpu,gpu`, or `auto` (`cpu`, and also "
        "`gpu` if the machine has one).",
    )
    run_memory_bytes: ByteSize | None = Field(
        default=None,
        gt=0,
        description="Memory limit of a run, which fails with `out_of_memory` if it asks for more, including its "
        "libraries (RLIMIT_DATA of the process). Default: `TD3_RUN_MEMORY_SHARE` alone limits it.",
    )
    run_memory_share: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Share of the machine's memory, or of its control group's, that a run may use, if "
        "`TD3_RUN_MEMORY_BYTES` is not set; a run that uses more fails with `out_of_memory`.",
    )
    run_seconds: float = Field(
        default=3 * 86400,
        gt=0,
        description="Maximum number of seconds that a worker executes a run without interruption; one that takes "
        "longer fails with `time_limit_exceeded`.",
    )
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="Device that runs compute on: `cpu`, `cuda`, `cuda:1`, ..., or `auto` (`cuda` if available).",
    )
    torch_threads: int = Field(
        default=1,
        ge=1,
        description="Number of CPU threads of a run. Learners are small: more threads help only with idle cores "
        "and large catalogues.",
    )
    tf32: bool = Field(
        default=False,
        description="Whether a GPU computes products of float32 matrices on its tensor cores, which round the factors "
        "to TF32 (10 bits of mantissa in place of 23). Faster for wide learners; no effect on a CPU.",
    )
    deterministic: bool = Field(
        default=False,
        description="Whether runs use deterministic algorithms only, so that a run repeated on the same GPU and "
        "versions ends the same. Slower and with more memory; an operation without such an algorithm fails the run.",
    )
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65534,
        description="Port of the Prometheus metrics of a worker or keeper; in the embedded profile the keeper uses "
        "the next port. Default: no metrics server.",
    )
    otlp_endpoint: str | None = Field(
        default=None,
        validation_alias=AliasChoices("TD3_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="Endpoint that traces are sent to by OTLP over HTTP, such as `http://collector:4318`. Default: "
        "no tracing.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Minimum level of log messages: `DEBUG`, `INFO`, `WARNING` or `ERROR`."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto",
        description="Format of log messages: `console` (coloured text), `json` (one object per line), or `auto` "
        "(`console` on a terminal, otherwise `json`).",
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

    @field_validator("broker_url")
    @classmethod
    def _is_of_a_known_broker(cls, url: str | None) -> str | None:
        if url and urlsplit(url).scheme not in BROKERS:
            raise ValueError("expected redis://host:port/db of a Redis or Valkey server")
        return url

    @field_validator("webhook_networks")
    @classmethod
    def _are_networks(cls, text: str | None) -> str | None:
        if text is not None:
            addresses.parse_networks(text)
        return text

    @field_validator("webhook_schedule")
    @classmethod
    def _is_a_schedule(cls, text: str) -> str:
        schedule.parse(text)
        return text

    @model_validator(mode="after")
    def _lease_outlives_a_lost_heartbeat(self) -> Self:
        if self.heartbeat_seconds > self.lease_seconds / 3:
            raise ValueError(
                f"TD3_HEARTBEAT_SECONDS={self.heartbeat_seconds:g} with TD3_LEASE_SECONDS={self.lease_seconds:g}: "
                "expected a heartbeat of at most a third of the lease, so that one late heartbeat does not lose it"
            )
        return self

    @property
    def hosts(self) -> frozenset[str]:
        """Names by which clients may reach the API, in lower case."""
        if self.allowed_hosts is not None:
            return frozenset(name.strip().strip("[]").lower() for name in self.allowed_hosts.split(","))
        return frozenset({*LOOPBACK, self.host.lower()} - set(EVERY_ADDRESS))

    def open_folders(self) -> None:
        """Create the folders that the settings name if need be, and keep what this process writes from other users.

        Raises:
            SettingsError: One of them cannot be used.
        """
        os.umask(PRIVATE)
        for setting, folder in self._folders():
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                raise SettingsError(
                    f"{setting}: {str(folder)!r} cannot be used ({error.strerror}); expected a directory that this "
                    "user can write to"
                ) from None

    def _folders(self) -> Iterator[tuple[str, Path]]:
        yield "TD3_DATA_DIR", self.data_dir
        database = make_url(self.database_url)
        if database.get_backend_name() == "sqlite" and database.database:
            yield "TD3_DATABASE_URL", Path(database.database).parent
        storage = urlsplit(self.storage_url)
        if storage.scheme == "file":
            yield "TD3_STORAGE_URL", Path(unquote(storage.path))

    def check_exposure(self) -> None:
        """Check that the API is served to other machines with access control only, unless that is wanted.

        Raises:
            SettingsError: It is served to others.
        """
        local = self.host in LOOPBACK or self.host.startswith("127.")
        if not (local or self.insecure or self.access_control != "off"):
            raise SettingsError(
                f"TD3_HOST={self.host!r}: the API has no access control, and other machines could reach it there; "
                "expected 127.0.0.1, or TD3_ACCESS_CONTROL=keys, or TD3_INSECURE=1 if a gateway or the network keeps "
                "others away"
            )

    @property
    def webhook_policy(self) -> addresses.Policy:
        """Where webhooks may be sent to."""
        networks = self.webhook_networks
        return addresses.Policy(
            networks=None if networks is None else addresses.parse_networks(networks),
            loopback=self.webhook_loopback,
        )

    @property
    def webhook_waits(self) -> tuple[timedelta, ...]:
        """How long a delivery waits before each try."""
        return schedule.parse(self.webhook_schedule)

    @property
    def ceilings(self) -> Ceilings:
        """What new specs may come to at most."""
        return Ceilings(trainings=self.max_trainings, steps=self.max_steps, numbers=self.max_numbers)

    @property
    def database_limits(self) -> Limits:
        """Limits on the use of PostgreSQL. They do not apply to migrations, which may take long."""
        return Limits(
            connections=self.database_connections,
            statement_seconds=self.database_statement_seconds,
            lock_seconds=self.database_lock_seconds,
            idle_seconds=self.database_idle_seconds,
        )

    @property
    def required_broker_url(self) -> str:
        """The broker URL.

        Raises:
            SettingsError: It is not set.
        """
        if not self.broker_url:
            raise SettingsError(
                "TD3_BROKER_URL is not set: expected redis://host:port/db of a Redis or Valkey server"
            )
        return self.broker_url

    @property
    def uploads_dir(self) -> Path:
        """Directory of uploads in progress."""
        return self.data_dir / "uploads"

    @property
    def work_dir(self) -> Path:
        """Directory of the files of runs in progress."""
        return self.data_dir / "work"


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: A variable is invalid; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = [
            _one_line(problem)
            for problem in error.errors()
            # A default that is computed from an invalid variable is no problem of its own.
            if problem["type"] != "default_factory_not_called"
        ]
        raise SettingsError("; ".join(problems)) from None


def _one_line(problem: ErrorDetails) -> str:
    """Format as `TD3_PORT='many': reason`, without values that may contain a password."""
    reason = f"expected {expectation(problem)}"
    if isinstance(problem.get("ctx", {}).get("error"), ValueError):  # a validator of ours, which says all
        reason = expectation(problem)
    if not problem["loc"]:
        return reason
    name = str(problem["loc"][0])
    given = f"={problem['input']!r}" if Settings.model_fields[name].repr else ""
    return f"TD3_{name.upper()}{given}: {reason}"
