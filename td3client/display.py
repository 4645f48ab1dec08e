"""Showing runs on a terminal."""

import time
from collections.abc import Iterable, Mapping
from typing import Any, NotRequired, TypedDict, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from td3client.errors import UnexpectedAnswerError
from td3client.resources import Evaluation, Event, Job, LimitUse, Run, RunError
from td3client.shapes import ShapeError, check_shape
from td3client.text import plain_line

PLAIN_SECONDS = 10.0

R = TypeVar("R", bound=Run)


class _Learners(TypedDict):
    learners: list[str]


class _Failed(TypedDict):
    error: RunError


class _Warning(TypedDict):
    code: str


class _Reading(TypedDict):
    warnings: NotRequired[list[_Warning]]


_DATA: Mapping[str, Any] = {"stage": Run, "metrics": Run, "reading": _Reading, "failed": _Failed}
"""Kind of an event -> the type of what is shown of its data."""


def limit_line(use: LimitUse) -> str:
    """Return a limit of a project in a line, with what is left of it."""
    most = "any" if use["limit"] is None else f"{use['limit']:,}"
    if use["used"] is None:
        return f"{use['name']}: at most {most} each"
    left = "" if use["left"] is None else f", {use['left']:,} left"
    return f"{use['name']}: {use['used']:,} of {most}{left}"


def follow(console: Console, runs: Iterable[R], *, title: str) -> R:
    """Show the progress of a run until `runs` ends, and return its last state.

    On a terminal this is a progress bar, elsewhere a line for each new stage and every ten seconds.
    """
    return _follow_bar(console, runs, title) if console.is_terminal else _follow_lines(console, runs, title)


def _follow_bar(console: Console, runs: Iterable[R], title: str) -> R:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=1.0, detail="")
        run = None
        for run in runs:
            progress.update(
                task,
                completed=run["progress"],
                description=f"{title} [cyan]{escape(plain_line(_stage(run)))}[/]",
                detail=plain_line(_detail(run)),
            )
    return _last(run)


def _follow_lines(console: Console, runs: Iterable[R], title: str) -> R:
    shown: tuple[str, float] | None = None
    run = None
    for run in runs:
        now = time.monotonic()
        if shown is None or shown[0] != _stage(run) or now - shown[1] >= PLAIN_SECONDS:
            shown = (_stage(run), now)
            line = f"{title} {_stage(run)} {run['progress']:4.0%} {_detail(run)}"
            console.print(plain_line(line), highlight=False, markup=False, emoji=False)
    return _last(run)


def _last(run: R | None) -> R:
    if run is None:
        raise ValueError("runs is empty")
    return run


def _stage(run: Run) -> str:
    return (run["stage"] if run["state"] == "running" else None) or run["state"]


def _detail(run: Run) -> str:
    """Return step, losses, scores and remaining time, as far as known, or why a job stopped early."""
    if run["state"] == "succeeded":
        return _result(run)
    if run["state"] != "running":
        return ""
    return _progress(run)


def _result(run: Mapping[str, Any]) -> str:
    """Return why a job stopped early, what went wrong, and how large its summary is beside the log, as far as known."""
    metrics, summary = run.get("metrics") or {}, run.get("summary")
    parts: list[str] = []
    if stopped := metrics.get("stopped"):
        parts.append(f"stopped early ({stopped.get('detail') or stopped['reason']})")
    parts += [f"warning: {warning['detail']}" for warning in metrics.get("warnings", ())]
    if summary and (log_bytes := metrics.get("log_parquet_bytes")) is not None:
        parts.append(f"{kilobytes(summary['bytes'])}, {size_beside_log(summary['bytes'], log_bytes)}")
    return "; ".join(parts)


def _progress(run: Mapping[str, Any]) -> str:
    parts: list[str] = []
    if run["steps"]:
        parts.append(f"step {run['step'] or 0}/{run['steps']}")
    figures = (run["losses"] or {}) | (run.get("scores") or {})
    parts += [f"{name} {value:.4g}" for name, value in figures.items()]
    if run["eta_seconds"] is not None:
        parts.append(f"{duration(run['eta_seconds'])} left")
    return ", ".join(parts)


def event_line(event: Event) -> str:
    """Return number, time, attempt, kind and details of an event."""
    data = _shaped(_DATA.get(event["kind"], dict[str, Any]), event["data"], "the event")
    if event["kind"] in ("stage", "metrics"):
        told = f"{data['stage']} {data['progress']:.0%} {_progress(data)}"
    elif event["kind"] == "reading":
        told = ", ".join(["the log was read", *(warning["code"] for warning in data.get("warnings", ()))])
    elif event["kind"] == "failed":
        told = f"{data['error']['code']}: {data['error']['detail']}"
    else:
        told = ", ".join(f"{name} {value}" for name, value in data.items())
    line = f"{event['seq']:4} {event['at'][:19]} #{event['attempt']} {event['kind']:13} {told}"
    return plain_line(line.rstrip())


def duration(seconds: float) -> str:
    """Format seconds as `42 s`, `3 min 05 s` or `2 h 10 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def kilobytes(count: int) -> str:
    """Format bytes as `42 kB`, and fewer than ten thousand as `4.2 kB`."""
    return f"{count / 1000:.1f} kB" if count < 10_000 else f"{count / 1000:.0f} kB"


def size_beside_log(summary_bytes: int, log_bytes: int) -> str:
    """Compare a summary with its log, both compressed; one that is not smaller is called so."""
    log = f"the {kilobytes(log_bytes)} of the log as compressed Parquet"
    if summary_bytes < log_bytes:
        return f"{summary_bytes / log_bytes:.0%} of {log}"
    return f"not smaller than {log}"


def job_line(job: Job) -> str:
    """Return id, state or stage, progress, creation time, log name and name, without the cut-off ids of a table."""
    names = (job["dataset"]["name"], job.get("name"))
    return plain_line(" ".join((_run_line(job), *(name for name in names if name))))


def evaluation_line(evaluation: Evaluation) -> str:
    """Return id, state or stage, progress, creation time and the learners that are trained."""
    spec = _shaped(_Learners, evaluation["spec"], "the spec")
    return plain_line(f"{_run_line(evaluation)} {', '.join(spec['learners'])}")


def _run_line(run: Run) -> str:
    return f"{run['id']} {_stage(run):10} {run['progress']:4.0%} {run['created_at'][:19]}"


def _shaped(kind: Any, value: Any, where: str) -> Any:
    """Return what the API types as any object; raises UnexpectedAnswerError unless it is of the type."""
    try:
        check_shape(kind, value, where)
    except ShapeError as error:
        raise UnexpectedAnswerError(where, str(error)) from error
    return value
