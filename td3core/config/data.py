"""How a log is read."""

from typing import Literal

from pydantic import Field

from td3core.config.base import Config

LogFormat = Literal["auto", "csv", "tsv", "jsonl", "parquet", "inter"]


class ColumnsConfig(Config):
    """Names of the log's columns; a name left out is guessed from the usual ones (`user_id`, ...)."""

    user: str | None = Field(default=None, min_length=1, description="Column that identifies the user.")
    item: str | None = Field(default=None, min_length=1, description="Column that identifies the item.")
    timestamp: str | None = Field(
        default=None,
        min_length=1,
        description="Column to order by; without one the order of the file counts.",
    )
    rating: str | None = Field(
        default=None, min_length=1, description="Column that `min_rating` is compared with."
    )


class DataConfig(Config):
    """How the log is read and which interactions are kept."""

    format: LogFormat = Field(
        default="auto", description="`auto` goes by the file's name, then by its first bytes."
    )
    columns: ColumnsConfig = ColumnsConfig()
    min_rating: float | None = Field(default=None, description="Drop interactions rated lower than this.")
    min_user_interactions: int = Field(
        default=5,
        ge=3,
        le=1000,
        description="Users with fewer interactions are dropped; 3 is what leave-last-out needs.",
    )
    min_item_interactions: int = Field(
        default=5, ge=1, le=1000, description="Items with fewer interactions are dropped."
    )
    core_filter: Literal["single", "iterated"] = Field(
        default="single",
        description="Apply the two minima once to the whole log, or until nothing changes (k-core).",
    )
    exclude_seen: bool = Field(
        default=True,
        description="Rank a held-out item among the items not in its user's history; false: all.",
    )
