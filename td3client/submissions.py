"""What a submission sends."""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from td3client.resources import Priority

UPLOAD_SECONDS = 600.0
"""The response to an upload is sent after the log has been validated."""


@contextmanager
def upload(
    log: Path, spec: Mapping[str, Any] | None, webhook: Mapping[str, Any] | None = None
) -> Generator[dict[str, Any]]:
    """The body of a request with a log.

    Spec and webhook are sent first, so that an invalid one is rejected before the log is uploaded.
    """
    with log.open("rb") as dataset:
        yield {
            "data": {name: json.dumps(part) for name, part in (("spec", spec), ("webhook", webhook)) if part},
            "files": {"dataset": (log.name, dataset, "application/octet-stream")},
            "timeout": httpx.Timeout(UPLOAD_SECONDS, connect=30.0),
        }


def class_of(priority: Priority) -> dict[str, Any]:
    """The query of a class, which is left out where it is the default: older services do not know it."""
    return {} if priority == "normal" else {"priority": priority}


def notes_of(name: str | None, labels: Mapping[str, str] | None) -> dict[str, Any]:
    """The parameters of a submission with name and labels."""
    return {"name": name, "label": [f"{key}:{value}" for key, value in (labels or {}).items()] or None}
