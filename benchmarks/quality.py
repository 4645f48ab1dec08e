"""`python -m benchmarks.quality LOG`: distil a log, evaluate the summary, print and write every figure."""

import json
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import TextColumn, TimeElapsedColumn
from rich.table import Table

from td3core import DistillationRun, EvaluationRun
from td3core.config import EvaluationSpec, JobSpec, SummaryConfig
from td3core.errors import Td3Error
from td3core.progress import Progress

console = Console(soft_wrap=True, highlight=False)


def main(
    log: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Any log the service takes.")],
    users: Annotated[int, typer.Option(min=1, help="Synthetic users.")] = SummaryConfig().users,
    length: Annotated[
        int, typer.Option(min=2, help="Steps of a synthetic sequence.")
    ] = SummaryConfig().length,
    seeds: Annotated[int, typer.Option(min=1, help="Fresh learners a source.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the distillation.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 1,
    output: Annotated[Path | None, typer.Option("--json", help="Write the figures here, too.")] = None,
) -> None:
    """Distil with the default spec but for the size, and evaluate on the test split, over seeds."""
    torch.set_num_threads(threads)
    device = torch.device("cpu")
    spec = JobSpec(seed=seed, summary=SummaryConfig(users=users, length=length))
    try:
        run = DistillationRun(log, spec, log_name=log.name, device=device)
        distil_seconds = follow(run)
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "summary.zip"
            run.save(archive)
            archive_bytes = archive.stat().st_size
            evaluation = EvaluationRun(
                archive, log, EvaluationSpec(seeds=seeds), log_name=log.name, device=device
            )
            follow(evaluation)
    except Td3Error as error:
        console.print(f"[bold red]Error:[/] {error}")
        raise typer.Exit(1) from error
    report: dict[str, Any] = {
        "log": log.name,
        "profile": run.summary.manifest.dataset.kept.model_dump(mode="json"),
        "spec": spec.model_dump(mode="json"),
        "distil_seconds": distil_seconds,
        "log_bytes": log.stat().st_size,
        "archive_bytes": archive_bytes,
        "summary_parameters": sum(factor.numel() for factor in run.summary.factors.tensors.values()),
        "validation": run.metrics,
        "threads": threads,
        "load": os.getloadavg()[0],
        **evaluation.result,
    }
    show(report)
    if output is not None:
        output.write_text(json.dumps(report, indent=2))


def follow(run: Iterable[Progress]) -> float:
    """Iterate to the end under a progress bar; return the seconds it took."""
    started = time.monotonic()
    with Bar(
        *Bar.get_default_columns(), TimeElapsedColumn(), TextColumn("{task.fields[figures]}"), console=console
    ) as bar:
        task = bar.add_task("starting", total=1.0, figures="")
        for progress in run:
            figures = ", ".join(f"{name} {value:.4f}" for name, value in progress.losses.items())
            bar.update(task, description=progress.stage, completed=progress.fraction, figures=figures)
    return time.monotonic() - started


def show(report: dict[str, Any]) -> None:
    """Print a row a source, and what the summary recovers."""
    for learner, sources in report["results"].items():
        metrics = [name for name in next(iter(sources.values())) if name.endswith("@10")]
        table = Table(
            title=f"{report['log']}: {learner}, {len(report['seeds'])} seeds, {report['split']} split"
        )
        for column in ("trained on", *metrics, "seconds"):
            table.add_column(column)
        for source, figures in sources.items():
            spreads = [figures[name] for name in metrics]
            cells = [f"{spread['mean']:.4f} ± {spread['std'] or 0:.4f}" for spread in spreads]
            table.add_row(source, *cells, f"{report['seconds'][learner][source]:.1f}")
        console.print(table)
        for name in metrics:
            found = report["recovery"][learner][name]
            console.print(
                f"{name}: recovery {_figure(found['recovery'])}, lift recovery {_figure(found['lift_recovery'])}"
            )
    console.print(
        f"Distilled in {report['distil_seconds']:.0f} s on {report['threads']} thread(s), load {report['load']:.1f}; "
        f"{report['log_bytes']} bytes of log, {report['archive_bytes']} of archive, "
        f"{report['summary_parameters']} parameters"
    )


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    typer.run(main)
