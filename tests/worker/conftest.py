"""The service's own fixtures, and a folder, a storage and settings for workers."""

from tests.api.conftest import (
    api,
    broker,
    database,
    logs_for_pytest,
    migrated_postgres,
    migrated_sqlite,
    migrated_url,
    queued_job,
    settings,
)

__all__ = [
    "api",
    "broker",
    "database",
    "logs_for_pytest",
    "migrated_postgres",
    "migrated_sqlite",
    "migrated_url",
    "queued_job",
    "settings",
]
