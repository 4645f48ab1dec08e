"""All errors that the client raises deliberately."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from td3client.text import plain, plain_line

_MOST_ERRORS = 100
_LONGEST_DETAIL, _LONGEST_ERROR = 4000, 1000  # characters


class ClientError(Exception):
    """Base class of the errors of the client."""


class InvalidHeaderError(ClientError):
    """The API key or another header cannot be sent. The message does not show its value, which may be a secret."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} cannot be sent: expected printable ASCII characters, without spaces around them"
        )


class InvalidSettingError(ClientError):
    """What was given about the connection cannot be used. The message shows neither keys nor passwords."""


class UnknownProfileError(ClientError):
    """There is no profile of this name."""

    def __init__(self, name: str, file: Path, known: Sequence[str]) -> None:
        expected = f"expected one of {', '.join(known)}" if known else "there are none"
        super().__init__(
            plain_line(
                f"the profile {name[:100]!r} is not in {file}; {expected}; `td3 --profile NAME login` adds one"
            )
        )


class PrivateFileError(ClientError):
    """A file with keys cannot be used. The message does not show what is in it."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"the file {path} cannot be used: {plain_line(reason)}")


class UnreachableError(ClientError):
    """The service is unreachable, or the connection was lost."""

    def __init__(self, base_url: str, reason: str) -> None:
        super().__init__(f"TD3 Service at {base_url} is unreachable: {plain_line(reason)}")


class UnexpectedAnswerError(ClientError):
    """Something answered that is not the service, or not as the service does."""

    def __init__(self, url: object, reason: str) -> None:
        super().__init__(
            f"the answer of {plain_line(str(url))} is not one of TD3 Service: {plain_line(reason)}"
        )


class MissingFieldError(UnexpectedAnswerError, KeyError):
    """An answer lacks a field."""

    __str__ = Exception.__str__

    def __init__(self, name: str) -> None:
        ClientError.__init__(self, f"an answer has no field {plain_line(name)!r}; is it one of TD3 Service?")


class InvalidIdError(ClientError):
    """What was given as an id is none."""

    def __init__(self, given: str, expected: str) -> None:
        super().__init__(f"{given[:100]!r} is not an id; expected {expected} and letters or digits")


class ServiceProblem(ClientError):  # noqa: N818  RFC 9457 calls it a problem
    """The service rejected the request with a problem (RFC 9457), which has a `code` and a list of `errors`."""

    def __init__(self, status: int, fields: Mapping[str, Any]) -> None:
        self.status = status
        self.fields = dict(fields)
        self.type = _text(fields.get("type")) or "about:blank"
        self.title = _text(fields.get("title")) or f"HTTP {status}"
        self.detail = _text(fields.get("detail"))
        self.instance = _text(fields.get("instance"))
        self.code = _text(fields.get("code"))
        listed = fields.get("errors")
        self.errors: list[dict[str, Any]] = (
            [error for error in listed if isinstance(error, dict)] if isinstance(listed, list) else []
        )
        detail = self.detail or self.title
        # An entry that only repeats the detail is for programs.
        told = [error for error in self.errors if error.get("reason") != detail]
        lines = [plain_line(_one_line(error))[:_LONGEST_ERROR] for error in told[:_MOST_ERRORS]]
        if len(told) > _MOST_ERRORS:
            lines.append(f"and {len(told) - _MOST_ERRORS} more")
        super().__init__("\n  ".join([plain(detail)[:_LONGEST_DETAIL], *lines]))


class RunFailedError(ClientError):
    """The job or evaluation failed or was cancelled."""

    def __init__(self, run_id: str, state: str, reason: str | None) -> None:
        super().__init__(plain(f"{run_id} {state}" + (f": {reason}" if reason else "")))
        self.state = state


class DamagedDownloadError(ClientError):
    """The downloaded file is damaged."""

    def __init__(self, path: Path, *, expected: str, actual: str) -> None:
        super().__init__(
            f"the download of {path} was damaged and was deleted: expected SHA-256 {expected}, got {actual}"
        )


class NotSavedError(ClientError):
    """The downloaded file could not be saved."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"cannot save {path.name} in the directory {path.parent}: {error.strerror}")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _one_line(error: Mapping[str, Any]) -> str:
    """Format as `line 3, column rating, got 'abc': not a finite number`, with the parts that exist."""
    parts = [f"{key} {error[key]}" for key in ("line", "column", "field") if error.get(key) is not None]
    parts += [f"got {error[key]!r}" for key in ("value", "got") if error.get(key) is not None]
    if error.get("expected") is not None:
        parts.append(f"expected {error['expected']}")
    where = ", ".join(parts)
    reason = error.get("reason")
    return f"{where}: {reason}" if where and reason else where or str(reason)
