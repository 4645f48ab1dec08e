"""`python -m benchmarks [LOG ...]`: everything that the table of this folder's README reports, and the plots."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from benchmarks.quality.request import name_of
from benchmarks.speed import Problem
from td3core.config import InnerConfig

_ROOT = Path(__file__).parent.parent
_SAMPLE = _ROOT / "examples" / "sample.csv.gz"
_THIRD_PARTY = _ROOT / ".venv-bench" / "bin" / "python"
_INNER = InnerConfig()
_WINDOW, _BATCH = str(_INNER.differentiated), str(_INNER.batch_of(Problem.users))
_DEFAULT_LOSS = (
    "--loss",
    "all",
    "--window",
    _WINDOW,
    "--positions",
    str(_INNER.positions),
    "--batch-users",
    _BATCH,
)
_LESS = ("--learners", "sasrec", "--no-farzi", "--no-own", "--no-trend")
_HURRY = 170  # seconds
_SMOKE_SPEC = {
    "learner": {"embedding_size": 8, "inner_size": 8, "max_length": 10},
    "teacher": {"members": 1, "max_epochs": 1},
    "inner": {"steps": 6, "window": 3, "pool_size": 2},
    "outer": {"steps": 2, "validate_every": 1, "validation_learners": 1},
    "certificate": {"learners": 0},
}


class Measurement(NamedTuple):
    """One command, and the file it writes."""

    file: str
    module: str
    arguments: tuple[str, ...]
    holds: str
    resumes: bool = False
    """Whether it goes on with a file that is there."""


def main(
    logs: Annotated[
        list[Path] | None,
        typer.Argument(exists=True, dir_okay=False, help="Logs; left out: the synthetic sample."),
    ] = None,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the figures and plots.")] = Path(
        "build/bench"
    ),
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch, of each process.")] = 1,
    processes: Annotated[int, typer.Option(min=1, help="Logs whose quality is measured side by side.")] = 1,
    missing: Annotated[bool, typer.Option("--missing", help="Leave alone what has a file already.")] = False,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Show that all of it runs, on tiny problems; the figures mean nothing."),
    ] = False,
) -> None:
    """Run each measurement in a process of its own, one after the other, and go on if one fails."""
    out.mkdir(parents=True, exist_ok=True)
    chosen = logs or [_SAMPLE]
    measurements = _smoke(chosen[0], out) if quick else measurements_of(chosen, out, processes)
    failed: list[str] = []
    for measurement in measurements:
        file = out / measurement.file
        if missing and file.exists() and not measurement.resumes:
            continue
        arguments = (*measurement.arguments, "--threads", str(threads), "--json", str(file))
        if measurement.resumes and not missing:
            arguments += ("--again",)
        if not _run(measurement.module, *arguments):
            failed.append(measurement.file)
    if not quick and not _THIRD_PARTY.exists():
        typer.echo("The third party was left out: `make third-party` builds its environment.")
    if not _run("benchmarks.plots", str(out), str(out)):
        failed.append("plots")
    for measurement in measurements:
        typer.echo(f"{out / measurement.file}: {measurement.holds}")
    for plot in sorted(out.glob("*.svg")):
        typer.echo(f"{plot}: a plot")
    if failed:
        typer.echo(f"Failed: {', '.join(failed)}", err=True)
        raise typer.Exit(1)


def measurements_of(logs: list[Path], out: Path, processes: int) -> list[Measurement]:
    """List what is measured, in this order."""
    found = [
        Measurement(
            f"speed-{loss}-{items}.json",
            "benchmarks.speed",
            ("--items", str(items), *options),
            f"an outer step, {items} items, {what}",
        )
        for items in (1349, 12101)
        for loss, options, what in (
            ("paper", ("--loss", "paper", "--window", "40"), "the paper's loss, window 40"),
            ("all", _DEFAULT_LOSS, f"the default loss, window {_WINDOW}"),
        )
    ]
    found.append(
        Measurement(
            "sweep.json", "benchmarks.sweep", (), "an outer step against items, users, length, window"
        )
    )
    summaries = out / "summaries-60x50"
    hurry = ("--users", "60", *_LESS, "--spec", json.dumps({"stop": {"seconds": _HURRY}}))
    for name, options, what in (
        ("10x50", ("--users", "10", *_LESS), "summaries of 10 x 50: SASRec alone"),
        (
            "30x50",
            ("--users", "30", "--no-own", "--no-trend", "--old"),
            "summaries of 30 x 50: four learners, and what an earlier default took",
        ),
        (
            "60x50",
            ("--users", "60", "--every-rival", "--worth", "--summaries", str(summaries)),
            "summaries of 60 x 50: every row",
        ),
        (f"{_HURRY}s", hurry, f"what {_HURRY} s give, teacher included"),
    ):
        arguments = (*map(str, logs), "--length", "50", *options, "--processes", str(processes))
        found.append(Measurement(f"quality-{name}.json", "benchmarks.quality", arguments, what, resumes=True))
    if _THIRD_PARTY.exists():
        for log in logs:
            name = name_of(log)
            found.append(
                Measurement(
                    f"third-party-{name}.json",
                    "benchmarks.third_party",
                    (str(log), "--summary", str(summaries / f"{name}.zip")),
                    f"RecTools' SASRec on sequences sampled from the summary of 60 x 50 of {log.name}",
                )
            )
    return found


def _smoke(log: Path, out: Path) -> list[Measurement]:
    tiny = ("--repeats", "1", "--no-compile")
    single = ("--items", "200", "--users", "", "--length", "", "--window", "")
    base = ("--base-users", "4", "--base-length", "8", "--base-window", "2")
    return [
        Measurement(
            "speed.json",
            "benchmarks.speed",
            ("--items", "60", "--users", "4", "--length", "8", "--window", "2", *tiny),
            "an outer step",
        ),
        Measurement("sweep.json", "benchmarks.sweep", (*single, *base, *tiny), "an outer step against items"),
        Measurement(
            "quality.json",
            "benchmarks.quality",
            (
                str(log), "--users", "4", "--length", "6", "--seeds", "2", *_LESS, "--spec", json.dumps(_SMOKE_SPEC),
                "--summaries", str(out / "summaries"),
            ),
            f"the certificate of a summary of {log.name}",
            resumes=True,
        ),
    ]  # fmt: skip


def _run(module: str, *arguments: str) -> bool:
    typer.echo(f"python -m {module} {shlex.join(arguments)}")
    return subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode == 0


if __name__ == "__main__":
    typer.run(main)
