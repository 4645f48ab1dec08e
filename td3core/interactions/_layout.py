"""How the file of a log was read."""

from dataclasses import dataclass
from typing import Literal

from td3core.config import DataConfig
from td3core.interactions._columns import Columns
from td3core.interactions._quoting import Dialect
from td3core.interactions._values import Parsed


@dataclass(slots=True)
class FileLayout:
    """What the reader took the file for, filled in as it reads."""

    format: str
    compression: str | None
    encoding: str | None
    """None for a binary format."""
    separator: str | None = None
    quoting: Literal["standard", "backslash", "none"] | None = None
    header: Literal["found", "given"] | None = None
    columns: Columns | None = None
    """None if nothing could be read, as of the beginning of a Parquet file."""
    date_unit: Literal["us", "ns"] | None = None
    """As in `Parsed`, of all rows."""
    headers_left_out: int = 0
    """Rows that repeat the header."""
    null_ids_left_out: int = 0
    """Rows without an id."""

    def add(self, values: Parsed) -> None:
        """Add what was found in a block."""
        if self.date_unit != "ns":  # to which the others are converted
            self.date_unit = values.date_unit
        self.headers_left_out += values.headers
        self.null_ids_left_out += values.null_ids

    def delimited(self, dialect: Dialect, data: DataConfig) -> None:
        """Describe delimited text."""
        self.separator = dialect.written or dialect.separator
        self.quoting = "none"
        if dialect.quoted:
            self.quoting = "backslash" if data.quoting == "backslash" else "standard"
        self.header = "found" if data.header is None else "given"
