"""All errors that the client raises deliberately."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class ClientError(Exception):
    """Base class of the errors of the client."""


class InvalidHeaderError(ClientError):
    """The API key or another header cannot be sent. The message does not show its value, which may be a secret."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} cannot be sent: expected printable ASCII characters, without spaces around them"
        )


class UnreachableError(ClientError):
    """The service is unreachable, or the connection was lost."""

    def __init__(self, base_url: str, reason: str) -> None:
        super().__init__(f"TD3 Service at {base_url} is unreachable: {reason}")


class ServiceProblem(ClientError):  # noqa: N818  RFC 9457 calls it a problem
    """The service rejected the request with a problem (RFC 9457), which has a `code` and a list of `errors`."""

    def __init__(self, status: int, fields: Mapping[str, Any]) -> None:
        self.status = status
        self.fields = dict(fields)
        self.type: str = fields.get("type", "about:blank")
        self.title: str = fields.get("title", f"HTTP {status}")
        self.detail: str | None = fields.get("detail")
        self.instance: str | None = fields.get("instance")
        self.code: str | None = fields.get("code")
        self.errors: list[dict[str, Any]] = fields.get("errors", [])
        detail = self.detail or self.title
        # An entry that only repeats the detail is for programs.
        lines = [detail, *(_one_line(error) for error in self.errors if error.get("reason") != detail)]
        super().__init__("\n  ".join(lines))


class RunFailedError(ClientError):
    """The job or evaluation failed or was cancelled."""

    def __init__(self, run_id: str, state: str, reason: str | None) -> None:
        super().__init__(f"{run_id} {state}" + (f": {reason}" if reason else ""))
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


def _one_line(error: Mapping[str, Any]) -> str:
    """Format as `line 3, column rating, got 'abc': not a finite number`, with the parts that exist."""
    parts = [f"{key} {error[key]}" for key in ("line", "column", "field") if error.get(key) is not None]
    parts += [f"got {error[key]!r}" for key in ("value", "got") if error.get(key) is not None]
    if error.get("expected") is not None:
        parts.append(f"expected {error['expected']}")
    where = ", ".join(parts)
    reason = error.get("reason")
    return f"{where}: {reason}" if where and reason else where or str(reason)
