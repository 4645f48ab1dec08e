"""Every error the client raises on purpose; the messages are for the person who called."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class ClientError(Exception):
    """The call did not succeed."""


class UnreachableError(ClientError):
    """The service could not be reached, or the connection broke."""

    def __init__(self, base_url: str, reason: str) -> None:
        super().__init__(f"cannot reach TD3 Service at {base_url}: {reason}")


class ServiceProblem(ClientError):  # noqa: N818  RFC 9457 calls it a problem
    """The service refused: a problem of RFC 9457, with the service's `code` and list of `errors`."""

    def __init__(self, status: int, fields: Mapping[str, Any]) -> None:
        self.status = status
        self.fields = dict(fields)
        self.type: str = fields.get("type", "about:blank")
        self.title: str = fields.get("title", f"HTTP {status}")
        self.detail: str | None = fields.get("detail")
        self.instance: str | None = fields.get("instance")
        self.code: str | None = fields.get("code")
        self.errors: list[dict[str, Any]] = fields.get("errors", [])
        lines = [self.detail or self.title, *(_one_line(error) for error in self.errors)]
        super().__init__("\n  ".join(lines))


class RunFailedError(ClientError):
    """A job or an evaluation that was waited for did not succeed."""

    def __init__(self, run_id: str, state: str, reason: str | None) -> None:
        super().__init__(f"{run_id} {state}" + (f": {reason}" if reason else ""))
        self.state = state


class DamagedDownloadError(ClientError):
    """What was downloaded is not what the service holds."""

    def __init__(self, path: Path, *, expected: str, actual: str) -> None:
        super().__init__(
            f"{path} arrived damaged and was removed: its sha256 is {actual}, expected {expected}"
        )


class NotSavedError(ClientError):
    """What was downloaded could not be written."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"cannot save {path.name} in the folder {path.parent}: {error.strerror}")


def _one_line(error: Mapping[str, Any]) -> str:
    """`line 3, column rating, got 'abc': not a number`, with the parts that are there."""
    parts = [f"{key} {error[key]}" for key in ("line", "column", "field") if error.get(key) is not None]
    for key, word in (("value", "got"), ("got", "got"), ("expected", "expected")):
        if key in error and error[key] is not None:
            parts.append(f"{word} {error[key]!r}")
    where = ", ".join(parts)
    reason = error.get("reason")
    return f"{where}: {reason}" if where and reason else where or str(reason)
