"""`python -m embedded.demo [LOG]`: the whole path over HTTP, from a log to an evaluated summary."""

import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from embedded.errors import EmbeddedError
from embedded.service import running_service
from embedded.signals import interrupt_when_terminated
from td3client import Client, ClientError
from td3client.certificate import certificate
from td3client.display import duration, follow

SAMPLE_LOG = Path(__file__).parent.parent / "examples" / "sample.csv.gz"
OUTPUT_DIR = Path("var/demo")
POLL_SECONDS = 0.5
# Smaller than the defaults, so that the demo takes minutes on two cores.
OUTER_STEPS = 100
EVALUATION_SPEC: dict[str, Any] = {"seeds": 2, "cutoffs": [10]}
# The demo does not touch the services that these variables may point to.
SERVICE_VARIABLES = ("TD3_DATABASE_URL", "TD3_BROKER_URL", "TD3_STORAGE_URL")

console = Console(soft_wrap=True, highlight=False)


def demo(
    log: Annotated[
        Path | None,
        typer.Argument(
            exists=True, dir_okay=False, help="An interaction log; left out: the synthetic sample."
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option(min=1, help="Outer steps of the distillation: more take longer and give more.")
    ] = OUTER_STEPS,
) -> None:
    """Run the service on a fresh folder, distil a log, fetch the summary and evaluate it."""
    interrupt_when_terminated()
    data_dir = Path(tempfile.mkdtemp(prefix="td3-demo-"))
    try:
        run(log or SAMPLE_LOG, steps, data_dir)
        exit_code = 0
    except KeyboardInterrupt:
        console.print("Stopped.")
        exit_code = 130
    except (EmbeddedError, ClientError) as error:
        errors = Console(stderr=True, soft_wrap=True, highlight=False)
        errors.print("[bold red]Error:[/]", escape(str(error)))
        errors.print(f"The service's data and logs are left in {data_dir}")
        sys.exit(1)
    shutil.rmtree(data_dir)
    sys.exit(exit_code)


def run(log: Path, steps: int, data_dir: Path) -> None:
    """Go the path once with a service on `data_dir`, telling what happens.

    Raises:
        EmbeddedError: The service could not start.
        ClientError: A request was refused, or a run failed.
    """
    spec = {"summary": {"users": 30}, "outer": {"steps": steps}}
    started = time.monotonic()
    OUTPUT_DIR.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        console.print("[bold]1.[/] Starting the service: API, worker, keeper and broker, on loopback")
        service = stack.enter_context(running_service(data_dir=data_dir, environment=_environment()))
        client = stack.enter_context(Client(service.url))
        console.print(f"   ready at {service.url}")

        synthetic = " (synthetic, made by python -m td3core.data.sample)" if log == SAMPLE_LOG else ""
        console.print(
            f"[bold]2.[/] Submitting {escape(str(log))}{synthetic}; spec {spec}, the rest by default"
        )
        job = client.submit(log, spec)
        job = follow(console, client.wait(job["id"], poll=POLL_SECONDS), title="   job")
        profile = job["dataset"]["profile"] or {}
        console.print(
            f"   {profile.get('users')} users, {profile.get('items')} items, "
            f"{profile.get('interactions')} interactions distilled"
        )

        summary = client.download_summary(job["id"], OUTPUT_DIR / "summary.zip")
        console.print(f"[bold]3.[/] Downloaded {summary}, {summary.stat().st_size / 1000:.0f} kB")

        console.print(
            f"[bold]4.[/] Training fresh learners on it and on what it competes with; {EVALUATION_SPEC}"
        )
        evaluation = client.evaluate(job["id"], EVALUATION_SPEC)
        evaluation = follow(
            console, client.wait_evaluation(evaluation["id"], poll=POLL_SECONDS), title="   evaluation"
        )
        for part in certificate(evaluation):
            console.print(part)
        console.print("[bold]5.[/] Stopping the service")
    console.print(f"Done in {duration(time.monotonic() - started)}. To use the summary:")
    console.print(f"   .venv/bin/python -c \"import td3core; print(td3core.load_summary('{summary}'))\"")


def _environment() -> dict[str, str]:
    """What the demo's service is told: nothing that leads it elsewhere."""
    return {name: value for name, value in os.environ.items() if name not in SERVICE_VARIABLES}


if __name__ == "__main__":
    typer.run(demo)
