"""Reading interaction logs."""

from pathlib import Path

import polars as pl

from td3core.config import DataConfig
from td3core.interactions._columns import find_columns
from td3core.interactions._filter import filter_log
from td3core.interactions._log import InteractionLog
from td3core.interactions._profile import LogProfile, profile_log


def read_log(
    path: Path,
    data: DataConfig,
    *,
    name: str | None = None,
    head_bytes: int | None = None,
    max_problems: int = 20,
) -> InteractionLog:
    """Read a log (common path)."""
    named = (name or path.name).lower()
    separator = "\t" if ".inter" in named or ".tsv" in named else ","
    raw = pl.read_csv(path, separator=separator, infer_schema=False)
    columns = find_columns(raw.columns, data.columns, rating_needed=data.min_rating is not None).by_role()
    frame = raw.select(pl.col(column).alias(role) for role, column in columns.items())
    if "timestamp" in columns:
        frame = frame.with_columns(pl.col("timestamp").cast(pl.Int64))
    if "rating" in columns:
        frame = frame.with_columns(pl.col("rating").cast(pl.Float64))
    return InteractionLog(frame)


def validate_log(
    path: Path, data: DataConfig, *, name: str | None = None, head_bytes: int | None = None
) -> LogProfile:
    """Read, filter and profile a log; of a head, read and profile only."""
    log = read_log(path, data, name=name, head_bytes=head_bytes)
    return profile_log(log if head_bytes is not None else filter_log(log, data))
