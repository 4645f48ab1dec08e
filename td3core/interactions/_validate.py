"""Reading a log as a job does, or its beginning before the service accepts one."""

from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from td3core.config import DataConfig
from td3core.interactions._blocks import Limits
from td3core.interactions._filter import filter_log, select_rows
from td3core.interactions._log import InteractionLog
from td3core.interactions._profile import LogProfile, profile_log
from td3core.interactions._read import read_log
from td3core.interactions._report import report_reading
from td3core.results import ReadingReport


class LogStudy(BaseModel):
    """What is known of a log, and how it was read."""

    model_config = ConfigDict(frozen=True)

    given: LogProfile = Field(description="Statistics of what was read.")
    kept: LogProfile | None = Field(
        description="Statistics of what the filters left; null if only the beginning of the log was read."
    )
    reading: ReadingReport = Field(description="How it was read.")


class PreparedLog(NamedTuple):
    """What the filters have left of a log, and what is known of it."""

    log: InteractionLog
    study: LogStudy


def prepare_log(
    path: Path,
    data: DataConfig,
    *,
    name: str | None = None,
    head_bytes: int | None = None,
    limits: Limits | None = None,
) -> PreparedLog:
    """Read and filter a log.

    Of the beginning of one, which is read with `head_bytes`, only low ratings and exact repeats are dropped, because
    the counts of its users and items say nothing.

    Raises:
        InvalidLogError: Any subclass that `read_log` or `filter_log` raises.
    """
    read = read_log(path, data, name=name, head_bytes=head_bytes, limits=limits)
    given, whole = profile_log(read), head_bytes is None
    log = filter_log(read, data) if whole else select_rows(read, data)
    del read  # whose arrays are as large as those of the log
    reading = report_reading(log, given, data, whole=whole)
    return PreparedLog(log, LogStudy(given=given, kept=profile_log(log) if whole else None, reading=reading))


def validate_log(
    path: Path,
    data: DataConfig,
    *,
    name: str | None = None,
    head_bytes: int | None = None,
    limits: Limits | None = None,
) -> LogStudy:
    """Do what `prepare_log` does, and return what is known of the log."""
    return prepare_log(path, data, name=name, head_bytes=head_bytes, limits=limits).study
