"""How a log is read and filtered."""

from typing import Literal

from pydantic import Field

from td3core.config.base import Config

LogFormat = Literal["auto", "csv", "tsv", "jsonl", "parquet", "inter"]
Quoting = Literal["auto", "standard", "backslash", "none"]


class ColumnsConfig(Config):
    """Column names of the log. A name that is not set is detected among the usual ones, such as `user_id`."""

    user: str | None = Field(default=None, min_length=1, description="Name of the column with the user ids.")
    item: str | None = Field(default=None, min_length=1, description="Name of the column with the item ids.")
    timestamp: str | None = Field(
        default=None,
        min_length=1,
        description="Name of the column that orders each user's interactions. A log without such a column is read in "
        "file order.",
    )
    rating: str | None = Field(
        default=None,
        min_length=1,
        description="Name of the column with the ratings; used only with `min_rating`.",
    )


class DataConfig(Config):
    """How the log is read and which interactions are kept."""

    format: LogFormat = Field(
        default="auto",
        description="File format of the log. `auto` decides by the file name, then by the first bytes; set it if the "
        "name is misleading.",
    )
    quoting: Quoting = Field(
        default="auto",
        description="What a double quote means in CSV and TSV; in `.inter` it is a letter. `standard`: a field that "
        "begins with a quote ends at the next single one and may hold separators, line breaks and doubled quotes "
        '(RFC 4180). `backslash`: the same with `\\"` for a quote within quotes. `none`: quotes are letters. `auto`: '
        "`standard` for CSV, except that a quoted field is refused if its lines look like rows; for TSV what its "
        "beginning shows.",
    )
    columns: ColumnsConfig = ColumnsConfig()
    min_rating: float | None = Field(
        default=None, description="Drop interactions with a rating below this value; null keeps all of them."
    )
    min_user_interactions: int = Field(
        default=5,
        ge=3,
        le=1000,
        description="Drop users with fewer interactions. At least 3, because leave-last-out holds out two per user.",
    )
    min_item_interactions: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="Drop items with fewer interactions. Raise it to remove the rare items of a large catalogue.",
    )
    core_filter: Literal["single", "iterated"] = Field(
        default="single",
        description="How the two minimum counts are applied: `single` counts once on the whole log; `iterated` repeats "
        "until every remaining user and item reaches its minimum (k-core).",
    )
    exclude_seen: bool = Field(
        default=True,
        description="Rank a held-out item only among items that are not in the user's history. Set it to false if "
        "users interact with the same items repeatedly.",
    )
