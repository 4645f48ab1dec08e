"""The file of reports, which a later call prints again or extends."""

import json
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from benchmarks.quality.measurement import write_whole
from benchmarks.quality.request import Document

BENCHMARK = "quality"


class Store:
    """Reports by log, in a file that is written after each, and beside it a folder of unfinished work.

    It is a context: without a file, unfinished work is lost at its end.

    Args:
        path: The file; without one, reports are in memory alone.
        anew: Whether what is there counts for nothing.

    Raises:
        ValueError: The file holds something else.
    """

    def __init__(self, path: Path | None, *, anew: bool = False) -> None:
        self.path = path
        self.reports: dict[str, Document] = {}
        self._temporary: Path | None = None
        if path is None:
            return
        if anew:
            shutil.rmtree(_unfinished(path), ignore_errors=True)
        elif path.exists():
            self.reports = _read(path)

    def __enter__(self) -> Self:
        if self.path is None:
            self._temporary = Path(tempfile.mkdtemp())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._temporary is not None:
            shutil.rmtree(self._temporary)

    def folder(self, log: str) -> Path:
        """Return where unfinished work on a log lies."""
        folder = self._temporary if self.path is None else _unfinished(self.path)
        assert folder is not None  # within the context
        return folder / log

    def add(self, log: str, report: Document) -> None:
        """Keep a report, and forget the unfinished work on this log."""
        self.reports[log] = report
        if self.path is not None:
            write_whole(self.path, json.dumps({"benchmark": BENCHMARK, "logs": self.reports}, indent=2))
        folder = self.folder(log)
        shutil.rmtree(folder)
        if self.path is not None and not any(folder.parent.iterdir()):
            folder.parent.rmdir()


def _unfinished(path: Path) -> Path:
    return path.with_name(f"{path.name}.unfinished")


def _read(path: Path) -> dict[str, Document]:
    found = json.loads(path.read_text())
    if not isinstance(found, dict) or found.get("benchmark") != BENCHMARK or "logs" not in found:
        raise ValueError(f"{path}: expected the reports of this benchmark")
    return cast("dict[str, Document]", found["logs"])
