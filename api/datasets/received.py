"""An interaction log as it was received, before anything is known of it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ReceivedLog:
    """A log in a file of ours."""

    path: Path
    name: str | None
    """The client's name for the file."""
    size: int
    """Bytes."""
    sha256: str
