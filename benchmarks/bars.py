"""Progress of runs: a bar each on a terminal, now and then a line elsewhere."""

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import Progress as RichProgress
from rich.progress import TaskID, TextColumn, TimeElapsedColumn

from td3client.display import duration
from td3core.progress import Progress

LINE_SECONDS = 60.0
"""Between two lines of a run at the same stage."""

P = TypeVar("P", bound=Progress)


class Bars:
    """Shows the progress of several runs at once; a context, within which alone it may draw."""

    def __init__(self, console: Console) -> None:
        self.console = console
        columns = (
            *RichProgress.get_default_columns(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[figures]}"),
        )
        self._bars = RichProgress(*columns, console=console)
        self._tasks: dict[str, TaskID] = {}
        self._lines: dict[str, tuple[str, float]] = {}

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self._bars.stop()

    def show(self, run: str, progress: Progress, *, stage: str | None = None) -> None:
        """Show where `run` is; `stage` is another name for the stage of its progress."""
        stage = stage or progress.stage
        figures = ", ".join(
            f"{name} {value:.4f}" for name, value in {**progress.losses, **progress.scores}.items()
        )
        if self.console.is_terminal:
            self._draw(run, f"{run} {stage}".strip(), progress.fraction, figures)
        else:
            self._say(run, stage, progress, figures)

    def end(self, run: str) -> None:
        """Take the bar of `run` away."""
        self._lines.pop(run, None)
        if run in self._tasks:
            self._bars.remove_task(self._tasks.pop(run))

    def _draw(self, run: str, description: str, fraction: float, figures: str) -> None:
        if run not in self._tasks:
            self._tasks[run] = self._bars.add_task(description, total=1.0, figures="")
        self._bars.update(
            self._tasks[run], description=description, completed=fraction, figures=figures, refresh=False
        )

    def _say(self, run: str, stage: str, progress: Progress, figures: str) -> None:
        now, last = time.monotonic(), self._lines.get(run)
        if last is not None and last[0] == stage and now - last[1] < LINE_SECONDS:
            return
        self._lines[run] = stage, now
        left = None if progress.eta_seconds is None else f"{duration(progress.eta_seconds)} left"
        told = ", ".join(part for part in (figures, left) if part)
        self.console.print(f"{run} {stage} {progress.fraction:4.0%} {told}".strip(), markup=False)


def follow(run: Iterable[P], console: Console, *, name: str = "") -> float:
    """Iterate to the end under a bar; return the seconds it took."""
    started = time.monotonic()
    with Bars(console) as bars:
        for progress in run:
            bars.show(name, progress)
    return time.monotonic() - started
