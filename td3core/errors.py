"""Every error this library raises on purpose; the docstring of a class is its default message."""

from collections.abc import Sequence
from dataclasses import dataclass


class Td3Error(Exception):
    """The method could not go on."""

    code: str = "td3_error"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


@dataclass(frozen=True, slots=True)
class LogProblem:
    """One thing that is wrong with an interaction log.

    `line` counts from 1 as an editor does, header included; for Parquet it is the row number, also from 1.
    It is `None` where the problem is not that of one line, such as a missing column.
    """

    reason: str
    line: int | None = None
    column: str | None = None
    value: str | None = None


class InvalidLogError(Td3Error):
    """The interaction log cannot be used."""

    code = "invalid_log"

    def __init__(self, message: str, problems: Sequence[LogProblem] = (), total: int | None = None) -> None:
        super().__init__(message)
        self.problems = tuple(problems)
        self.total = len(self.problems) if total is None else total


class UnreadableLogError(InvalidLogError):
    """The file is not of the format it was taken for."""

    code = "unreadable_log"


class LogTooLargeError(InvalidLogError):
    """The log takes more memory than it may."""

    code = "log_too_large"


class MissingColumnError(InvalidLogError):
    """A column that the log needs is not there."""

    code = "missing_column"


class BadRowsError(InvalidLogError):
    """Rows of the log cannot be used."""

    code = "bad_rows"


class LogTooSmallError(InvalidLogError):
    """The log holds too little to distil."""

    code = "log_too_small"


class DivergedError(Td3Error):
    """Training left the finite numbers."""

    code = "diverged"


class OutOfTimeError(Td3Error):
    """The time was over before anything was distilled."""

    code = "out_of_time"


class CompilerError(Td3Error):
    """The inner steps cannot be compiled."""

    code = "not_compiled"


class UnsupportedFormatError(Td3Error):
    """What is stored is of a format that this version does not read."""

    code = "unsupported_format"


class InvalidArtifactError(Td3Error):
    """The file is not a summary this version can load."""

    code = "invalid_artifact"


class InvalidCheckpointError(Td3Error):
    """The file is not a checkpoint that this run can go on from."""

    code = "invalid_checkpoint"


class ExportError(Td3Error):
    """The sequences cannot be written."""

    code = "export"
