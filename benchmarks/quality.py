"""`python -m benchmarks.quality LOG`: distil a log, and print and write the fidelity certificate of the summary."""

import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import torch
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import TextColumn, TimeElapsedColumn

from benchmarks.machine import surroundings
from td3client.certificate import certificate
from td3client.resources import Evaluation
from td3core import DistillationRun, EvaluationRun
from td3core.config import SOURCES, EvaluationSpec, JobSpec, LearnerKind, SummaryConfig
from td3core.config.faults import faults
from td3core.errors import Td3Error
from td3core.progress import Progress, distillation_seconds
from td3core.ranking import SELECTION_METRIC

VALIDATED = SELECTION_METRIC
console = Console(soft_wrap=True, highlight=False)


def main(
    log: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Any log the service takes.")],
    users: Annotated[int, typer.Option(min=1, help="Synthetic users.")] = SummaryConfig().users,
    length: Annotated[
        int, typer.Option(min=2, help="Steps of a synthetic sequence.")
    ] = SummaryConfig().length,
    seeds: Annotated[int, typer.Option(min=1, help="Fresh learners a source.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the distillation.")] = 0,
    spec: Annotated[
        str, typer.Option(help="What else differs from the default spec of a job, as JSON.")
    ] = "{}",
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
    trend: Annotated[
        bool, typer.Option(help="Train eight configurations of learners on summary and log, too.")
    ] = True,
    trend_seeds: Annotated[int, typer.Option(min=1, help="Fresh learners a configuration.")] = 1,
    trend_width: Annotated[
        list[int] | None,
        typer.Option(help="Embedding size to compare, instead of two depths; given more than once."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 1,
    kept: Annotated[Path | None, typer.Option("--summary", help="Keep the artefact here.")] = None,
    output: Annotated[Path | None, typer.Option("--json", help="Write the figures here, too.")] = None,
) -> None:
    """Distil with the default spec but for the size, and evaluate on the test split, over seeds."""
    torch.set_num_threads(threads)
    device = torch.device("cpu")
    job, evaluated = _specs(
        spec,
        summary={"users": users, "length": length},
        seed=seed,
        evaluation={
            "seeds": seeds,
            "learners": learners.split(","),
            "sources": [
                source.name
                for source in SOURCES
                if (farzi or not source.preparation_cost)
                and (own or not source.own_embedding)
                and (every_rival or not source.labelled or source.in_evaluations)
            ],
            "trend": _trend(trend_seeds, trend_width) if trend else None,
        },
    )
    machine = surroundings(threads)
    curve: list[dict[str, float]] = []
    try:
        run = DistillationRun(log, job, log_name=log.name, device=device)
        whole_seconds = follow(recorded(run, curve))
        with tempfile.TemporaryDirectory() as folder:
            archive = kept or Path(folder) / "summary.zip"
            run.save(archive)
            evaluation = EvaluationRun(
                archive,
                log,
                evaluated,
                log_name=log.name,
                distil_seconds=distillation_seconds(run.seconds),
                device=device,
            )
            follow(evaluation)
    except Td3Error as error:
        console.print(f"[bold red]Error:[/] {error}")
        raise typer.Exit(1) from error
    report: dict[str, Any] = {
        "benchmark": "quality",
        "log": log.name,
        "profile": run.summary.manifest.dataset.kept.model_dump(mode="json"),
        "spec": job.model_dump(mode="json"),
        "evaluation": evaluated.model_dump(mode="json"),
        "job_seconds": whole_seconds,
        "job": run.metrics,
        "curve": curve,
        **machine,
        "load": os.getloadavg()[0],
        **evaluation.result,
    }
    show(report)
    if output is not None:
        output.write_text(json.dumps(report, indent=2))


def recorded(run: Iterable[Progress], curve: list[dict[str, float]]) -> Iterator[Progress]:
    """Go through a distillation, and note each validation of the summary: seconds since the start, step, figure."""
    started = time.monotonic()
    for progress in run:
        figure = progress.scores.get(VALIDATED) if progress.stage == "distilling" else None
        # Reports repeat the latest figure until there is another.
        if figure is not None and (not curve or curve[-1][VALIDATED] != figure):
            curve.append(
                {"seconds": time.monotonic() - started, "outer_step": progress.step, VALIDATED: figure}
            )
        yield progress


def follow(run: Iterable[Progress]) -> float:
    """Iterate to the end under a progress bar; return the seconds it took."""
    started = time.monotonic()
    with Bar(
        *Bar.get_default_columns(), TimeElapsedColumn(), TextColumn("{task.fields[figures]}"), console=console
    ) as bar:
        task = bar.add_task("starting", total=1.0, figures="")
        for progress in run:
            figures = ", ".join(
                f"{name} {value:.4f}" for name, value in {**progress.losses, **progress.scores}.items()
            )
            bar.update(task, description=progress.stage, completed=progress.fraction, figures=figures)
    return time.monotonic() - started


def show(report: dict[str, Any]) -> None:
    """Print every row, and what was measured where."""
    summary, profile = report["spec"]["summary"], report["profile"]
    console.print(
        f"{report['log']}: {profile['users']} users, {profile['items']} items, {profile['interactions']} interactions; "
        f"summary of {summary['users']} x {summary['length']}; {report['split']} split, {len(report['seeds'])} seeds"
    )
    for part in certificate(cast(Evaluation, report)):
        console.print(part)
    console.print(
        f"The whole job took {report['job_seconds']:.0f} s on {report['threads']} thread(s), "
        f"load {report['load']:.1f}"
    )


def _trend(seeds: int, widths: list[int] | None) -> dict[str, Any]:
    """Four kinds of learners in two depths, or in these widths."""
    return {"seeds": seeds} | ({"layers": [1], "embedding_sizes": widths} if widths else {})


def _specs(
    document: str, *, summary: dict[str, Any], seed: int, evaluation: dict[str, Any]
) -> tuple[JobSpec, EvaluationSpec]:
    """Put the options into the specs; those of the command line come before those of the document."""
    try:
        given = json.loads(document)
        size = {**given.get("summary", {}), **summary}
        job = JobSpec.model_validate_json(json.dumps({**given, "seed": seed, "summary": size}))
        return job, EvaluationSpec.model_validate(evaluation)
    except (ValueError, AttributeError) as error:
        reason = error
        if isinstance(error, ValidationError):
            model = EvaluationSpec if error.title == EvaluationSpec.__name__ else JobSpec
            reason = next(faults(error.errors(), model))
        raise typer.BadParameter(str(reason)) from error


if __name__ == "__main__":
    typer.run(main)
