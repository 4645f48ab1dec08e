"""`python -m benchmarks.paper LOG`: the paper's settings beside the default, under the protocol of its authors.

One job has `preset: paper`, the other the default spec, both with the paper's number of synthetic users and steps.
Fresh learners keep the trained item factor and rank the test item among 100 others that are drawn, as those of Zhang et
al., "TD3", WWW 2025.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.bars import Bars
from benchmarks.quality.measurement import VALIDATED
from benchmarks.quality.processes import Failed, Measured, Reported, Task, one_by_one
from benchmarks.quality.request import (
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
from benchmarks.quality.table import WIDTH
from td3client.display import duration
from td3core.config.presets import PRESETS

SOURCES = ("full", "teacher", "summary", "floor", "random", "random_labelled", "popularity")
CUTOFFS = (5, 10, 20)
PAPER, DEFAULT = "preset: paper", "default"
console = Console(soft_wrap=True, highlight=False)
if not console.is_terminal:
    console.width = WIDTH


def main(
    log: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Any log the service takes.")],
    seeds: Annotated[int, typer.Option(min=1, help="Fresh learners a source.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the distillations.")] = 0,
    spec: Annotated[str, typer.Option(help="What else differs in both jobs, as JSON.")] = "{}",
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 1,
    output: Annotated[
        Path | None,
        typer.Option(
            "--json", dir_okay=False, help="Write the figures here; what is in it is not measured again."
        ),
    ] = None,
) -> None:
    """Distil with both specs, evaluate both alike, and print one table."""
    paper = PRESETS["paper"]["summary"]
    size: Document = {"summary": {name: paper[name] for name in ("users", "length")}}
    try:
        needed, differing = read_settings(LOGS).get(name_of(log), {}), parsed(spec)
        evaluation = evaluation_spec(
            {"seeds": seeds, "sources": SOURCES, "protocol": "uni100", "cutoffs": CUTOFFS}
        )
        requests = {
            name: Request(
                log,
                job_spec(chosen, needed, differing, {"seed": seed}),
                evaluation,
                settings=needed,
                threads=threads,
            )
            for name, chosen in ((PAPER, {"preset": "paper"}), (DEFAULT, size))
        }
        store = Store(output, benchmark="paper", named="specs")
        for name, request in requests.items():
            if name in store.reports and (different := differences(store.reports[name], request)):
                raise ValueError(f"{output} has other figures of {name}: {'; '.join(different)}")
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    with store, Bars(console) as bars:
        for name, request in requests.items():
            if name in store.reports:
                continue
            for event in one_by_one([Task(request, store.folder(name))]):
                match event:
                    case Reported(_, stage, progress):
                        bars.show(name, progress, stage=stage)
                    case Measured(_, report):
                        store.add(name, report)
                    case Failed(_, reason):
                        console.print(f"[bold red]Error:[/] {name}: {reason}")
                        raise typer.Exit(1)
            bars.end(name)
    console.print(overview(log.name, {name: store.reports[name] for name in requests}))


def overview(log: str, reports: Mapping[str, Document]) -> Table:
    """Return the table, a row for each source of each spec."""
    metrics = [f"{metric}@{cutoff}" for cutoff in CUTOFFS for metric in ("hr", "ndcg", "mrr")]
    table = Table(
        "spec",
        "trained on",
        *(metric.upper() for metric in metrics),
        f"{VALIDATED.upper()}, 95%",
        title=f"{log}: test items ranked among 100 drawn ones, {len(reports[PAPER]['seeds'])} seeds",
    )
    for name, report in reports.items():
        (kind,) = report["results"]
        for source, figures in report["results"][kind].items():
            table.add_row(
                name,
                source,
                *(f"{figures[metric]['mean']:.4f}" for metric in metrics),
                _ends(figures[VALIDATED], ".4f"),
            )
        recovery = report["recovery"][kind]
        table.add_row(
            "",
            "recovery",
            *(f"{recovery[metric]['recovery']:.3f}" for metric in metrics),
            _ends(recovery[VALIDATED], ".3f"),
            style="bold",
        )
        summary = report["spec"]["summary"]
        table.add_row(
            "",
            f"{summary['users']} x {summary['length']}, in {duration(report['job_seconds'])}",
            end_section=True,
        )
    return table


def _ends(figure: Mapping[str, float | None], form: str) -> str:
    low, high = figure["low"], figure["high"]
    return "" if low is None or high is None else f"{low:{form}} to {high:{form}}"


if __name__ == "__main__":
    typer.run(main)
