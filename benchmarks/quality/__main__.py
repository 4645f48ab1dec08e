"""The command: what to measure of which logs, and how it is shown."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer
from rich.console import Console, RenderableType

from benchmarks.bars import Bars
from benchmarks.quality.processes import Failed, Measured, Reported, Task, one_by_one, side_by_side
from benchmarks.quality.request import (
    EARLIER,
    LOGS,
    Document,
    Request,
    differences,
    evaluation_spec,
    job_spec,
    name_of,
    parsed,
    read_settings,
)
from benchmarks.quality.store import Store
from benchmarks.quality.table import WIDTH, overview, timings
from td3client.certificate import certificate
from td3client.resources import Evaluation
from td3core.config import SOURCES, LearnerKind

console = Console(soft_wrap=True, highlight=False)
if not console.is_terminal:
    console.width = WIDTH


def main(
    logs: Annotated[
        list[Path] | None,
        typer.Argument(
            exists=True, dir_okay=False, help="Any logs the service takes; left out: those in --json."
        ),
    ] = None,
    users: Annotated[
        int | None, typer.Option(min=1, help="Synthetic users; left out: as the spec says.")
    ] = None,
    length: Annotated[
        int | None, typer.Option(min=2, help="Steps of a synthetic sequence; left out: as the spec says.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Fresh learners a source.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the distillation.")] = 0,
    spec: Annotated[
        str, typer.Option(help="What else differs from the default spec of a job, as JSON.")
    ] = "{}",
    evaluation: Annotated[
        str, typer.Option(help="What else differs from the default spec of an evaluation, as JSON.")
    ] = "{}",
    settings: Annotated[
        Path,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="What a log needs beyond the default spec, by its name, as JSON.",
        ),
    ] = LOGS,
    learners: Annotated[str, typer.Option(help="Learners to evaluate, separated by commas.")] = ",".join(
        get_args(LearnerKind)
    ),
    farzi: Annotated[
        bool, typer.Option(help="Distil two summaries with Farzi, too: each takes as long again.")
    ] = True,
    own: Annotated[
        bool, typer.Option(help="Train learners with an item embedding of their own, too.")
    ] = True,
    every_rival: Annotated[
        bool, typer.Option(help="Train on labelled rivals of equal bytes and of own embeddings, too.")
    ] = False,
    worth: Annotated[
        bool,
        typer.Option("--worth", help="Find how many labelled real users each summary is worth, too."),
    ] = False,
    trend: Annotated[
        bool, typer.Option(help="Train eight configurations of learners on summary and log, too.")
    ] = True,
    trend_seeds: Annotated[int, typer.Option(min=1, help="Fresh learners a configuration.")] = 1,
    trend_width: Annotated[
        list[int] | None,
        typer.Option(help="Embedding size to compare, instead of two depths; given more than once."),
    ] = None,
    old: Annotated[
        bool,
        typer.Option(
            "--old", help="Time the job with a single teacher, and as it was before labels, in the same run."
        ),
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Measure all logs anew, whatever --json holds.")
    ] = False,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch, of each process.")] = 1,
    processes: Annotated[int, typer.Option(min=1, help="Logs to measure side by side.")] = 1,
    kept: Annotated[
        Path | None, typer.Option("--summaries", file_okay=False, help="Keep the artefacts in this folder.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--json",
            dir_okay=False,
            help="Write the figures here. Logs that are in it are not measured again.",
        ),
    ] = None,
) -> None:
    """Distil each log and evaluate on its test split, over seeds; then print a table over all of them."""
    given: Document = {"users": users, "length": length}
    command: Document = {"seed": seed, "summary": {name: size for name, size in given.items() if size}}
    asked: Document = {
        "seeds": seeds,
        "learners": learners.split(","),
        "sources": [
            source.name
            for source in SOURCES
            if (farzi or not source.preparation_cost)
            and (own or not source.own_embedding)
            and (every_rival or not source.labelled or source.in_evaluations)
        ],
        "worth": worth,
        "trend": _trend(trend_seeds, trend_width) if trend else None,
    }
    try:
        earlier = EARLIER if old else {}
        known, differing = read_settings(settings), parsed(spec)
        evaluated = evaluation_spec(asked, parsed(evaluation))
        store = Store(output, anew=again)
        requests: list[Request] = []
        for log in logs or ():
            needed = known.get(name_of(log), {})
            parts = (needed, differing, command)
            requests.append(
                Request(
                    log,
                    job_spec(*parts),
                    evaluated,
                    settings=needed,
                    beside={name: job_spec(*parts, changes) for name, changes in earlier.items()},
                    threads=threads,
                    keep=kept and kept / f"{name_of(log)}.zip",
                )
            )
        if not requests and not store.reports:
            raise ValueError("expected a log, or the reports of some in --json")
        if len({request.name for request in requests}) < len(requests):
            raise ValueError("two logs have the same file name, by which reports are told apart")
        for request in requests:
            if request.name in store.reports:
                _check(store.reports[request.name], request, output)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    failed = _measure(
        [request for request in requests if request.name not in store.reports], store, processes
    )
    chosen = [request.name for request in requests] or list(store.reports)
    reports = {name: store.reports[name] for name in chosen if name in store.reports}
    for part in _parts(reports) if reports else ():
        console.print(part)
    for name, reason in failed.items():
        console.print(f"[bold red]Error:[/] {name}: {reason}")
    if failed:
        raise typer.Exit(1)


def _measure(requests: list[Request], store: Store, processes: int) -> dict[str, str]:
    """Measure what the store lacks; return why some could not be measured."""
    failed: dict[str, str] = {}
    with store, Bars(console) as bars:
        tasks = [Task(request, store.folder(request.name)) for request in requests]
        for event in one_by_one(tasks) if processes == 1 else side_by_side(tasks, processes):
            match event:
                case Reported(log, stage, progress):
                    bars.show(log, progress, stage=stage)
                    continue
                case Measured(log, report):
                    store.add(log, report)
                case Failed(log, reason):
                    failed[log] = reason
            bars.end(log)
    return failed


def _check(report: Document, request: Request, path: Path | None) -> None:
    if different := differences(report, request):
        raise ValueError(
            f"{path} has other figures of {request.name}; give another file for these. {'; '.join(different)}"
        )


def _parts(reports: dict[str, Document]) -> Iterator[RenderableType]:
    """Yield the table, and then each log's certificate."""
    yield overview(reports)
    if (timed := timings(reports)) is not None:
        yield timed
    for log, report in reports.items():
        summary, profile = report["spec"]["summary"], report["profile"]
        yield (
            f"{log}: {profile['users']} users, {profile['items']} items, {profile['interactions']} interactions; "
            f"summary of {summary['users']} x {summary['length']}; {report['split']} split, "
            f"{len(report['seeds'])} seeds"
            + (f"; set for this log: {report['settings']}" if report["settings"] else "")
        )
        yield from certificate(cast(Evaluation, report))
        yield (
            f"The whole job took {report['job_seconds']:.0f} s on {report['threads']} thread(s), "
            f"load {report['load']:.1f}"
        )


def _trend(seeds: int, widths: list[int] | None) -> dict[str, Any]:
    """Four kinds of learners in two depths, or in these widths."""
    return {"seeds": seeds} | ({"layers": [1], "embedding_sizes": widths} if widths else {})


if __name__ == "__main__":
    typer.run(main)
