"""`python -m benchmarks [LOG ...]`: the speed of both formulations, then the quality of a summary of each log."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

_SAMPLE = Path(__file__).parent.parent / "examples" / "sample.csv.gz"


def main(
    logs: Annotated[
        list[Path] | None,
        typer.Argument(exists=True, dir_okay=False, help="Logs; left out: the synthetic sample."),
    ] = None,
) -> None:
    """Run each measurement in a process of its own."""
    measurements = [
        ["benchmarks.speed", "--loss", "paper", "--window", "40"],
        ["benchmarks.speed", "--loss", "all", "--window", "30", "--positions", "16"],
        *(["benchmarks.quality", str(log)] for log in logs or [_SAMPLE]),
    ]
    for measurement in measurements:
        typer.echo("python -m " + " ".join(measurement))
        subprocess.run([sys.executable, "-m", *measurement], check=True)


if __name__ == "__main__":
    typer.run(main)
