"""How a log is read and filtered."""

from typing import Annotated, Literal, Self

from pydantic import Field, Strict, model_validator

from td3core.config.base import Config
from td3core.config.faults import FieldError

LogFormat = Literal["auto", "csv", "tsv", "jsonl", "parquet", "inter"]
Quoting = Literal["auto", "standard", "backslash", "none"]
Encoding = Literal[
    "utf-8",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "latin-1",
    "cp1250",
    "cp1251",
    "cp1252",
    "gb18030",
    "big5",
    "cp932",
    "euc-jp",
    "cp949",
]


ColumnName = Annotated[str, Field(min_length=1, max_length=1000)] | None


class ColumnsConfig(Config):
    """Column names of the log. A name that is not set is detected among the usual ones, such as `user_id`."""

    user: ColumnName = Field(default=None, description="Name of the column with the user ids.")
    item: ColumnName = Field(default=None, description="Name of the column with the item ids.")
    timestamp: ColumnName = Field(
        default=None,
        description="Name of the column that orders each user's interactions. A log without such a column is read in "
        "file order, unless one looks like a time, which is refused; `none` says that there is no timestamp.",
    )
    rating: ColumnName = Field(
        default=None,
        description="Name of the column with the ratings; used only with `min_rating`.",
    )


class DataConfig(Config):
    """How the log is read and which interactions are kept."""

    format: LogFormat = Field(
        default="auto",
        description="File format of the log. `auto` decides by the file name, then by the first bytes; set it if the "
        "name is misleading.",
    )
    encoding: Encoding = Field(
        default="utf-8",
        description="Encoding of a text log, by the name that Python has for it. It is not guessed: text that is not "
        "UTF-8 is refused until it is named. `gb18030` includes GBK, `cp932` is Shift JIS, and `utf-16` has a byte "
        "order mark.",
    )
    separator: str | None = Field(
        default=None,
        min_length=1,
        max_length=8,
        pattern=r"^[\t -!#-~]+$",
        description="What separates the fields of a CSV, TSV or `.inter`: one or more characters of ASCII, such as "
        "`::`. Null is a tab in TSV and `.inter`, and in CSV the one of comma, semicolon, tab and bar that the first "
        "line has most.",
    )
    quoting: Quoting = Field(
        default="auto",
        description="What a double quote means in CSV and TSV; in `.inter` it is a letter. `standard`: a field that "
        "begins with a quote ends at the next single one and may hold separators, line breaks and doubled quotes "
        '(RFC 4180). `backslash`: the same with `\\"` for a quote within quotes. `none`: quotes are letters. `auto`: '
        "`standard` for CSV, except that a quoted field is refused if its lines look like rows; for TSV, and "
        "where `separator` is set, what its beginning shows.",
    )
    header: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Strict(False)] | None = Field(
        default=None,
        min_length=2,
        max_length=1000,
        description="Column names of a CSV, TSV or `.inter` without a header line, one for each field.",
    )
    layout: Literal["rows", "sequences"] = Field(
        default="rows",
        description="What a line of text is: an interaction (`rows`), or a user and all of its items in their order "
        "(`sequences`), without a header and separated by spaces, tabs or what `separator` says.",
    )
    events: str | None = Field(
        default=None,
        min_length=1,
        description="Key of the list in each JSON object whose objects are the interactions, as in a session with its "
        "events. Their keys and those of the object around them are the columns.",
    )
    columns: ColumnsConfig = ColumnsConfig()
    time_format: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        pattern=r"^([^%.]|\.%f|\.|%[YymdHIMSpbBaAz])+$",
        description="How timestamps that are text are written, as `strptime` of Python has it, such as "
        "`%m/%d/%Y %H:%M`. They are in UTC unless there is `%z`. Null reads numbers and dates of ISO 8601.",
    )
    null_ids: Literal["refuse", "drop", "keep"] = Field(
        default="refuse",
        description="Whether an id that is a marker of a missing value (`NULL`, `nan`, `NaN`, `None`, `NA`, `<NA>`, "
        "`N/A`, `undefined` and the like) is refused, kept as an id, or its row left out. `drop` leaves out rows with "
        "an empty id as well.",
    )
    rules: int = Field(
        ge=1,
        le=2,
        default=2,
        description="The rules by which ids are cleaned, columns are found and a first line is taken for a header. `1` "
        "are those of 0.1.0, by which its jobs are read: ids are kept with the white space around them, only `NULL`, "
        "`null` and `\\N` are markers of missing values, fewer names of timestamps are known, and neither a log "
        "whose times are not used nor numbers that were rounded are refused.",
    )
    min_rating: float | None = Field(
        default=None, description="Drop interactions with a rating below this value; null keeps all of them."
    )
    repeats: Literal["drop", "keep"] = Field(
        default="drop",
        description="Whether a row is dropped that has the user, item and timestamp of an earlier one, as where a log "
        "was written twice. A log without timestamps keeps all of them.",
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

    @model_validator(mode="after")
    def _times_are_whole(self) -> Self:
        form = self.time_format
        if form is None:
            return self
        parts = {letter for letter in "YymbBdHIMSpf" if f"%{letter}" in form}
        has_day = parts & set("Yy") and parts & set("mbB") and "d" in parts
        has_time = (parts & set("HI") and "M" in parts) or not parts & set("HIMSpf")
        if not has_day or not has_time or ("I" in parts) != ("p" in parts):
            expected = "year, month and day, and if there is a time hour and minute, with %p for %I"
            raise FieldError(form, field="time_format", expected=expected)
        return self
