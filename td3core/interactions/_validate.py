"""Validation of a log before the service accepts a job."""

from pathlib import Path

from td3core.config import DataConfig
from td3core.interactions._blocks import Limits
from td3core.interactions._filter import filter_log
from td3core.interactions._profile import LogProfile, profile_log
from td3core.interactions._read import read_log


def validate_log(
    path: Path,
    data: DataConfig,
    *,
    name: str | None = None,
    head_bytes: int | None = None,
    limits: Limits | None = None,
) -> LogProfile:
    """Read, filter and profile a log; with `head_bytes`, read and profile only its beginning, without filtering.

    Raises:
        InvalidLogError: Any subclass that `read_log` or `filter_log` raises.
    """
    log = read_log(path, data, name=name, head_bytes=head_bytes, limits=limits)
    return profile_log(log if head_bytes is not None else filter_log(log, data))
