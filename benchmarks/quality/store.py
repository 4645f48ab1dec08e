"""The file of reports, which a later call prints again or extends."""

import json
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from benchmarks.quality.measurement import write_whole
from benchmarks.quality.request import Document


class Store:
    """Reports by name, in a file that is written after each, and beside it a folder of unfinished work.

    It is a context: without a file, unfinished work is lost at its end.

    Args:
        path: The file; without one, reports are in memory alone.
        benchmark: Whose reports they are.
        named: What has the names that reports go by, such as `logs`.
        anew: Whether what is there counts for nothing.

    Raises:
        ValueError: The file holds something else.
    """

    def __init__(
        self, path: Path | None, *, benchmark: str = "quality", named: str = "logs", anew: bool = False
    ) -> None:
        self.path, self.benchmark, self.named = path, benchmark, named
        self.reports: dict[str, Document] = {}
        self._temporary: Path | None = None
        if path is None:
            return
        if anew:
            shutil.rmtree(_unfinished(path), ignore_errors=True)
        elif path.exists():
            self.reports = self._read(path)

    def __enter__(self) -> Self:
        if self.path is None:
            self._temporary = Path(tempfile.mkdtemp())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._temporary is not None:
            shutil.rmtree(self._temporary)

    def folder(self, name: str) -> Path:
        """Return where unfinished work lies."""
        folder = self._temporary if self.path is None else _unfinished(self.path)
        assert folder is not None  # within the context
        return folder / name

    def add(self, name: str, report: Document) -> None:
        """Keep a report, and forget its unfinished work."""
        self.reports[name] = report
        if self.path is not None:
            document = {"benchmark": self.benchmark, self.named: self.reports}
            write_whole(self.path, json.dumps(document, indent=2))
        folder = self.folder(name)
        shutil.rmtree(folder)
        if self.path is not None and not any(folder.parent.iterdir()):
            folder.parent.rmdir()

    def _read(self, path: Path) -> dict[str, Document]:
        found = json.loads(path.read_text())
        if not isinstance(found, dict) or found.get("benchmark") != self.benchmark or self.named not in found:
            raise ValueError(f"{path}: expected the reports of this benchmark")
        return cast("dict[str, Document]", found[self.named])


def _unfinished(path: Path) -> Path:
    return path.with_name(f"{path.name}.unfinished")
