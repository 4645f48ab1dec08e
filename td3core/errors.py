"""All errors that this library raises deliberately; the docstring of a class is its default message."""

from collections.abc import Sequence
from dataclasses import dataclass


class Td3Error(Exception):
    """The operation failed."""

    code: str = "td3_error"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


@dataclass(frozen=True, slots=True)
class LogProblem:
    """One problem in an interaction log.

    `line` is the line number as in an editor: it starts at 1 and includes the header. For Parquet and Arrow it is the
    row number, also from 1, and for JSON that has not one object in each line the number of the object. It is `None` if
    the problem does not belong to one line, for example a missing column. `field` is the field of the spec that names
    or decides what is wrong, such as `data.columns.user`. A problem with neither line, column nor field is one of the
    whole log.
    """

    reason: str
    line: int | None = None
    column: str | None = None
    value: str | None = None
    field: str | None = None


class InvalidLogError(Td3Error):
    """The interaction log cannot be used."""

    code = "invalid_log"

    def __init__(self, message: str, problems: Sequence[LogProblem] = (), total: int | None = None) -> None:
        super().__init__(message)
        # The first of `total`; without any, the message is the one problem.
        self.problems = tuple(problems) or (LogProblem(message),)
        self.total = len(self.problems) if total is None else total


class UnreadableLogError(InvalidLogError):
    """The file cannot be read in the expected format."""

    code = "unreadable_log"


class LogTooLargeError(InvalidLogError):
    """The log exceeds the memory limit."""

    code = "log_too_large"


class MissingColumnError(InvalidLogError):
    """A required column of the log is missing or ambiguous."""

    code = "missing_column"


class BadRowsError(InvalidLogError):
    """Some rows of the log are invalid."""

    code = "bad_rows"


class LogTooSmallError(InvalidLogError):
    """The log has too few users, items or interactions."""

    code = "log_too_small"


class DivergedError(Td3Error):
    """Training diverged."""

    code = "diverged"


class OutOfTimeError(Td3Error):
    """The time budget was used up before the distillation began."""

    code = "out_of_time"


class CompilerError(Td3Error):
    """The inner steps could not be compiled."""

    code = "not_compiled"


class UnsupportedFormatError(Td3Error):
    """What is stored is of a format that this version does not read."""

    code = "unsupported_format"


class InvalidArtifactError(Td3Error):
    """The file is not a summary that this version can load."""

    code = "invalid_artifact"


class InvalidCheckpointError(Td3Error):
    """The file is not a checkpoint that this run can resume from."""

    code = "invalid_checkpoint"


class ExportError(Td3Error):
    """The sequences could not be written."""

    code = "export"
