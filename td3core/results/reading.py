"""How a log was read: what the reader took it for, what the filters dropped, and what is to be said of it."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from td3core.results.base import Result


class ReadingCode(StrEnum):
    """What a warning is about. A code never changes its meaning; later versions may add some."""

    FILE_ORDER = "file_order"
    MANY_TIES = "many_ties"
    NEWEST_FIRST = "newest_first"
    TIMES_PASSED_OVER = "times_passed_over"
    REPEATS_DROPPED = "repeats_dropped"
    REPEAT_CONSUMPTION = "repeat_consumption"
    FILTERS_DROP_MOST = "filters_drop_most"
    NULL_IDS_DROPPED = "null_ids_dropped"
    NULL_IDS_KEPT = "null_ids_kept"
    HEADER_REPEATED = "header_repeated"


READING_CODES: dict[ReadingCode, str] = {
    ReadingCode.FILE_ORDER: "The log has no timestamps, so that the order of the file is taken for that of time.",
    ReadingCode.MANY_TIES: "At least a tenth of the interactions have the time of another one of their user; among "
    "these the order of the file counts.",
    ReadingCode.NEWEST_FIRST: "The rows of a user stand newest first, and some have equal times: these stay in the "
    "order of the file, which is then the reverse of what happened.",
    ReadingCode.TIMES_PASSED_OVER: "Columns that are not used are named like times, beside the one that is.",
    ReadingCode.REPEATS_DROPPED: "Rows were dropped that have the user, item and timestamp of an earlier one.",
    ReadingCode.REPEAT_CONSUMPTION: "At least a tenth of the interactions are with an item that the user has met "
    "before, while `data.exclude_seen` leaves such items out of every ranking.",
    ReadingCode.FILTERS_DROP_MOST: "The filters dropped more than half of the interactions.",
    ReadingCode.NULL_IDS_DROPPED: "Rows without a user or an item were left out, as `data.null_ids` says.",
    ReadingCode.NULL_IDS_KEPT: "Ids that mark a missing value were kept as ids, as `data.null_ids` says.",
    ReadingCode.HEADER_REPEATED: "Rows that repeat the header were left out.",
}
"""When each warning is given."""


class ReadingWarning(Result):
    """Something in the log that may not be what its owner wants."""

    code: str = Field(description="What it is about; a code never changes its meaning.")
    detail: str = Field(description="What was found and what can be done, in a sentence.")


class DroppedByFilter(Result):
    """What one filter dropped of what those before it had left."""

    filter: str = Field(
        description="`min_rating`, `repeats`, `min_user_interactions`, `min_item_interactions`, or `too_short`: users "
        "who were left with fewer interactions than leave-last-out needs."
    )
    users: int = Field(description="Users of whom nothing was left.")
    items: int = Field(description="Items of which nothing was left.")
    interactions: int = Field(description="Interactions that it dropped.")
    share: float = Field(description="Share of `interactions` in all that were read, from 0 to 1.")


class ReadingReport(Result):
    """How a log was read.

    Where only its beginning was, `whole` is false, and all figures are of the beginning, before filters count users and
    items.
    """

    whole: bool = Field(description="Whether the log was read to its end.")
    format: str = Field(
        description="Format of the file: `csv`, `tsv`, `jsonl`, `inter`, `parquet` or `arrow`."
    )
    compression: str | None = Field(
        description="How the file is compressed, such as `gzip` or `zip`; null if it is not."
    )
    encoding: str | None = Field(description="Encoding of the text; null for a binary format.")
    layout: str = Field(
        description="What a line of text is: an interaction (`rows`), or a user and all of its items (`sequences`), as "
        "`data.layout` says."
    )
    separator: str | None = Field(description="What separates fields; null unless the log is delimited.")
    quoting: str | None = Field(
        description="What a double quote means: `standard`, `backslash` or `none`, as in `data.quoting`; null unless "
        "the log is delimited."
    )
    header: str | None = Field(
        description="Where the names of the columns are from: `found` in the first line, or `given` in `data.header`; "
        "null unless the log is delimited."
    )
    columns: dict[str, str] = Field(
        description="The columns in use, by role: `user`, `item`, and as far as used `timestamp` and `rating`."
    )
    passed_over: tuple[str, ...] = Field(
        description="Other columns, or keys among the first objects of JSON Lines; at most 50, with at most 100 "
        "characters each."
    )
    time_unit: str | None = Field(
        description="Unit of the timestamps, judged by their size: `seconds`, `milliseconds`, `microseconds` or "
        "`nanoseconds` since 1970, `dates`, or `other` for numbers that only order; null without timestamps, where the "
        "order of the file counts."
    )
    first_time: datetime | None = Field(
        description="Earliest time, in UTC; null without a unit that tells it."
    )
    last_time: datetime | None = Field(description="Latest time, in UTC; null without a unit that tells it.")
    users: int = Field(description="Users, before filtering.")
    items: int = Field(description="Items, before filtering.")
    interactions: int = Field(description="Interactions, before filtering.")
    shortest_sequence: int = Field(description="Smallest number of interactions of a user, before filtering.")
    longest_sequence: int = Field(description="Largest number of interactions of a user, before filtering.")
    headers_left_out: int = Field(
        description="Rows that were left out because they repeat the header, as in files that were appended."
    )
    null_ids_left_out: int = Field(
        description="Rows that were left out because they have no user or no item, as `data.null_ids` says."
    )
    dropped: tuple[DroppedByFilter, ...] = Field(
        description="What the filters dropped, in their order; those that dropped nothing are left out."
    )
    kept_share: float = Field(description="Share of the interactions that all filters left, from 0 to 1.")
    ties: float | None = Field(
        description="Share of the interactions left that have the time of another one of their user, from 0 to 1; null "
        "without timestamps."
    )
    repeat_consumption: float = Field(
        description="Share of the interactions left with an item that the user has met before, from 0 to 1."
    )
    warnings: tuple[ReadingWarning, ...] = Field(
        default=(), description="What is to be said of it; empty if nothing is."
    )
