"""`python -m benchmarks.third_party LOG`: what a recommender of others makes of sequences sampled from a summary.

RecTools' SASRec is trained with the same settings on each source, then ranks all items for every real user's history;
ranks and metrics are ours, and the same for all sources. Of the epochs that are checked the one with the best
validation counts, for all sources alike. `make third-party` builds its environment.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, get_args

import numpy as np
import polars as pl
import torch
import typer
from jaxtyping import Bool
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.bars import follow
from benchmarks.third_party.sources import Items, Source, cut, source_sequences
from td3core import DistillationRun, Summary, load_summary
from td3core.config import JobSpec
from td3core.data.sequences import Sequences, Split, build_sequences, leave_last_out
from td3core.errors import Td3Error
from td3core.evaluation.fidelity import spread
from td3core.interactions import filter_log, read_log
from td3core.ranking.metrics import ranking_metrics, target_ranks

ENVIRONMENT = Path(__file__).parents[2] / ".venv-bench"
MODEL: dict[str, Any] = {
    "n_blocks": 1,
    "n_heads": 1,
    "n_factors": 64,
    "session_max_len": 50,
    "dropout_rate": 0.2,
    "lr": 3e-3,
    "batch_size": 64,
    "loss": "softmax",
}
METRIC = "ndcg@10"

console = Console(soft_wrap=True, highlight=False)


def main(
    log: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Any log the service takes.")],
    archive: Annotated[
        Path | None,
        typer.Option(
            "--summary", exists=True, dir_okay=False, help="A summary of the log; else it is distilled."
        ),
    ] = None,
    sources: Annotated[
        list[str] | None, typer.Option("--source", help=f"Of {', '.join(get_args(Source))}; left out: all.")
    ] = None,
    share: Annotated[
        float, typer.Option(min=1e-6, max=1, help="Of the log, in users or interactions.")
    ] = 0.2,
    seeds: Annotated[int, typer.Option(min=1, help="Draws and trainings a source.")] = 5,
    epochs: Annotated[int, typer.Option(min=1, help="Of each training.")] = 20,
    check_every: Annotated[int, typer.Option(min=1, help="Epochs between two validations.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 1,
    python: Annotated[
        Path, typer.Option(help="The interpreter of the third party's environment.")
    ] = ENVIRONMENT / "bin/python",
    output: Annotated[
        Path | None, typer.Option("--json", help="Write the figures here, after each training.")
    ] = None,
) -> None:
    """Train RecTools' SASRec on every source, over seeds, and rank the test items."""
    torch.set_num_threads(threads)
    chosen: tuple[Source, ...] = tuple(
        source for source in get_args(Source) if sources is None or source in sources
    )
    unknown = set(sources or ()) - set(chosen)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: must be of {', '.join(get_args(Source))}")
    if not python.exists():
        console.print(f"[bold red]Error:[/] {python} is missing: `make third-party` builds it")
        raise typer.Exit(1)
    try:
        summary = distilled(log) if archive is None else load_summary(archive)
        data = summary.manifest.spec.data
        sequences = build_sequences(filter_log(read_log(log, data, name=log.name), data))
    except Td3Error as error:
        console.print(f"[bold red]Error:[/] {error}")
        raise typer.Exit(1) from error
    if tuple(sequences.item_ids.to_list()) != summary.item_ids:
        console.print(f"[bold red]Error:[/] {archive} is not a summary of {log}: the items differ")
        raise typer.Exit(1)
    split = leave_last_out(sequences)
    settings = {
        "threads": threads,
        "epochs": epochs,
        "check_every": check_every,
        "n_users": split.train.n_users,
        "n_items": split.train.n_items,
        "model": MODEL,
    }
    report: dict[str, Any] = {"log": log.name, "share": share, **settings, "trainings": []}
    for seed in range(seeds):
        for source in chosen:
            drawn = source_sequences(source, split.train, summary, share=share, seed=seed)
            started = time.monotonic()
            checks = train_and_rank(drawn, split, python=python, settings={**settings, "seed": seed})
            best = max(checks, key=lambda check: check["valid"][METRIC])
            training = {
                "source": source,
                "seed": seed,
                "sequences": len(drawn),
                "interactions": sum(map(len, drawn)),
                "seconds": time.monotonic() - started,
                "load": os.getloadavg()[0],
                "best": best,
                "checks": checks,
            }
            report["trainings"].append(training)
            console.print(
                f"seed {seed}, {source}: {training['sequences']} sequences, {training['interactions']} interactions; "
                f"{METRIC} {best['valid'][METRIC]:.4f} valid, {best['test'][METRIC]:.4f} test, epoch {best['epoch']}, "
                f"{training['seconds']:.0f} s"
            )
            report["results"] = summed_up(report["trainings"])
            if output is not None:
                output.write_text(json.dumps(report, indent=2))
    show(report)


def distilled(log: Path) -> Summary:
    """Distil with the default spec."""
    run = DistillationRun(log, JobSpec(), log_name=log.name, device=torch.device("cpu"))
    follow(run, console)
    return run.summary


def train_and_rank(
    drawn: Items, split: Split, *, python: Path, settings: dict[str, Any]
) -> list[dict[str, Any]]:
    """Have the third party train; return validation and test figures of each epoch that it scored."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(cut(drawn, MODEL["session_max_len"]), folder / "train.csv")
        parts = {part: split.history(part) for part in ("valid", "test")}
        for part, history in parts.items():
            write([history.of(user) for user in range(history.n_users)], folder / f"{part}.csv")
        (folder / "settings.json").write_text(json.dumps(settings))
        script = Path(__file__).with_name("rectools_sasrec.py")
        environment = {**os.environ, "OMP_NUM_THREADS": str(settings["threads"])}
        done = subprocess.run(
            [python, script, folder], capture_output=True, text=True, env=environment, check=False
        )
        if done.returncode:
            sys.stderr.write(done.stderr)
            raise typer.Exit(1)
        return [
            {"epoch": epoch}
            | {
                part: ranked(np.load(folder / f"{part}-{epoch}.npy"), history, getattr(split, part))
                for part, history in parts.items()
            }
            for epoch in range(settings["check_every"], settings["epochs"] + 1, settings["check_every"])
        ]


def write(sequences: Items, path: Path) -> None:
    """Write item rows as a log, with a new user for each sequence."""
    lengths = [len(sequence) for sequence in sequences]
    pl.DataFrame(
        {
            "user_id": np.repeat(np.arange(len(sequences)), lengths),
            "item_id": np.concatenate(sequences),
            "timestamp": np.concatenate([np.arange(length) for length in lengths]),
        }
    ).write_csv(path)


def ranked(scores: np.ndarray, history: Sequences, targets: np.ndarray) -> dict[str, float]:
    """Rank each target among the items that its user has not seen."""
    ranks = target_ranks(torch.from_numpy(scores), torch.from_numpy(targets), excluded=seen(history))
    return ranking_metrics(ranks, (10,))


def seen(history: Sequences) -> Bool[Tensor, "users items"]:
    """Mark each user's items."""
    marks = torch.zeros(history.n_users, history.n_items, dtype=torch.bool)
    marks[
        torch.from_numpy(np.repeat(np.arange(history.n_users), history.lengths)),
        torch.from_numpy(history.items),
    ] = True
    return marks


def summed_up(trainings: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the spread of the test metric by source."""
    return {
        source: spread(
            [row["best"]["test"][METRIC] for row in trainings if row["source"] == source]
        ).model_dump(mode="json")
        for source in dict.fromkeys(row["source"] for row in trainings)
    }


def show(report: dict[str, Any]) -> None:
    """Print a row a source."""
    table = Table(title=f"{report['log']}: RecTools' SASRec, test {METRIC}, {report['share']:.0%} of the log")
    for column in ("trained on", "mean", "std", "95% interval", "seeds"):
        table.add_column(column)
    for source, found in report["results"].items():
        spread = ["", ""]
        if found["std"] is not None:
            spread = [f"{found['std']:.4f}", f"{found['low']:.4f} to {found['high']:.4f}"]
        table.add_row(source, f"{found['mean']:.4f}", *spread, str(len(found["values"])))
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
