"""What a part has measured, in a file that is written anew after each measurement."""

import json
import logging
import platform
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Asked:
    """What a run is asked for."""

    device: str
    small: bool
    until: float
    """On the monotonic clock: nothing begins after it."""

    @property
    def left(self) -> float:
        """Seconds."""
        return self.until - time.monotonic()


class Report:
    """The measurements of a part, and what came in their way."""

    def __init__(self, file: Path, asked: Asked) -> None:
        self._file = file
        self._asked = asked
        self._entries: dict[str, Any] = {}
        self._warnings = _Warnings(self)
        self.failed = False
        """Whether something was measured and did not work."""

    def __enter__(self) -> Self:
        self._write({"python": platform.python_version(), "device": self._asked.device})
        logging.getLogger().addHandler(self._warnings)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Write down why a part ended, and what it could not import; only an interrupt goes on from here."""
        logging.getLogger().removeHandler(self._warnings)
        if isinstance(error, ImportError):
            self.add("not_imported", {"name": error.name, "error": str(error)})
            sys.stderr.write(f"{self._file.stem}: {error}\n")
        elif isinstance(error, Exception):
            self.add("error", "".join(traceback.format_exception(error)))
        self.failed = self.failed or error is not None
        return error is None or isinstance(error, Exception)

    def measure(self, name: str, measurement: Callable[[], Any], *, needs: float = 0.0) -> Any:
        """Add what it returns, or why it failed; None if it did, or if fewer seconds are left than it needs."""
        if self._asked.left < needs:
            self.add(name, {"left_out": f"{self._asked.left:.0f} s are left, and it takes about {needs:.0f}"})
            return None
        try:
            found = measurement()
        except Exception as error:  # noqa: BLE001 - what fails is written down, and the others are measured
            self.failed = True
            self.add(name, {"error": f"{type(error).__name__}: {error}"})
            sys.stderr.write(f"{self._file.stem}, {name}: {type(error).__name__}: {str(error)[:500]}\n")
            return None
        self.add(name, found)
        return found

    def add(self, name: str, found: Any) -> None:
        """Add an entry and write the file."""
        self._entries[name] = found
        self._write(self._entries)

    def _write(self, entries: dict[str, Any]) -> None:
        partial = self._file.with_suffix(".partial")
        partial.write_text(json.dumps(entries, indent=1))
        partial.replace(self._file)


class _Warnings(logging.Handler):
    """Adds what is logged as a warning, such as that steps could not be recorded, and writes it on the terminal."""

    def __init__(self, report: Report) -> None:
        super().__init__(logging.WARNING)
        self._report = report
        self._messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Add it."""
        self._messages.append(record.getMessage())
        self._report.add("warnings", self._messages)
        sys.stderr.write(f"{self._messages[-1]}\n")
