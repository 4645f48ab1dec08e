"""Where data are, and for how long."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from api.db import Limits
from api.errors import SettingsError

PRIVATE = 0o077  # the umask: nobody but the user
BROKERS = ("redis", "rediss", "redis+socket", "sentinel")
"""Schemes of broker URLs, as Celery has them for Redis."""


def _database_in_data_dir(known: dict[str, Any]) -> str:
    """URL of the database file; characters of the folder name that have a meaning in URLs, such as `#`, are escaped."""
    path = known["data_dir"].absolute() / "td3.sqlite3"
    return URL.create("sqlite", database=path.as_posix()).render_as_string()


def _storage_in_data_dir(known: dict[str, Any]) -> str:
    return (known["data_dir"].absolute() / "storage").as_uri()


class DataSettings(BaseSettings):
    """Settings of folders, database, broker and storage."""

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
    restore_days: float = Field(
        default=7,
        ge=0,
        le=36_500,
        description="Time in days for which a deleted run can be restored. After that, the keeper removes it with all "
        "that hangs on it.",
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
