"""The `td3` command: submit a log, watch the job, fetch the summary, evaluate it."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from td3client.certificate import certificate
from td3client.client import DEFAULT_URL, Client
from td3client.display import event_line, follow, job_line
from td3client.errors import ClientError

app = typer.Typer(
    help="Distil interaction logs with TD3 Service.", no_args_is_help=True, add_completion=False
)
# Names, paths and messages are printed as they are: none of them is markup.
console = Console(soft_wrap=True, markup=False, emoji=False, highlight=False)
messages = Console(soft_wrap=True, markup=False, emoji=False, highlight=False, stderr=True)

Url = Annotated[str, typer.Option("--url", envvar="TD3_URL", help="Where the service listens.")]
JobId = Annotated[str, typer.Argument(help="The job's id, job_…")]
Spec = Annotated[
    str | None,
    typer.Option(
        "--spec",
        help="What differs from the default spec: a JSON file, or JSON itself, such as "
        '\'{"summary": {"users": 30}}\'.',
    ),
]


@app.command()
def submit(
    log: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The interaction log.")],
    spec: Spec = None,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until the job has finished.")] = False,
    deadline: Annotated[
        float | None,
        typer.Option(help="Seconds from now within which the job must have ended, or it fails."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run it even if there is an identical job.")] = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Upload an interaction log and start a job; prints the job's id, or that of an identical one."""
    with Client(url) as client:
        job = client.submit(log, _read_spec(spec), deadline_seconds=deadline, force=force)
        if job.get("deduplicated"):
            messages.print("An identical job was there already; --force runs it again.")
        console.print(job["id"])
        if wait:
            follow(console, client.wait(job["id"]), title="job")


@app.command()
def status(job_id: JobId, url: Url = DEFAULT_URL) -> None:
    """Print the job as JSON."""
    with Client(url) as client:
        console.print_json(data=client.job(job_id))


@app.command()
def wait(job_id: JobId, url: Url = DEFAULT_URL) -> None:
    """Watch a job until it has finished; the exit code is 1 unless it succeeded."""
    with Client(url) as client:
        follow(console, client.wait(job_id), title="job")


@app.command()
def download(
    job_id: JobId,
    path: Annotated[Path, typer.Argument(help="File or folder to save the archive as, or in.")] = Path(),
    url: Url = DEFAULT_URL,
) -> None:
    """Fetch the summary of a job that succeeded, taking up an interrupted download."""
    with Client(url) as client:
        console.print(str(client.download_summary(job_id, path)))


@app.command()
def evaluate(
    job_id: JobId,
    spec: Spec = None,
    cutoff: Annotated[int, typer.Option(help="The k of the metrics to print.")] = 10,
    url: Url = DEFAULT_URL,
) -> None:
    """Train fresh learners on the summary and on the baselines, and print how they compare."""
    with Client(url) as client:
        evaluation = client.evaluate(job_id, _read_spec(spec))
        evaluation = follow(console, client.wait_evaluation(evaluation["id"]), title="evaluation")
        for part in certificate(evaluation, cutoff=cutoff):
            console.print(part)


@app.command()
def events(
    run_id: Annotated[str, typer.Argument(help="The id of a job or an evaluation.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay until it has ended.")] = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Print what happened to a job or an evaluation, one line an event."""
    with Client(url) as client:
        for event in client.events(run_id, follow=follow):
            console.print(event_line(event))


@app.command()
def cancel(job_id: JobId, url: Url = DEFAULT_URL) -> None:
    """Ask a job to stop; prints its state."""
    with Client(url) as client:
        console.print(client.cancel(job_id)["state"])


@app.command()
def pause(job_id: JobId, url: Url = DEFAULT_URL) -> None:
    """Interrupt a job; prints its state."""
    with Client(url) as client:
        console.print(client.pause(job_id)["state"])


@app.command()
def resume(job_id: JobId, url: Url = DEFAULT_URL) -> None:
    """Let a paused job go on from where it was; prints its state."""
    with Client(url) as client:
        console.print(client.resume(job_id)["state"])


@app.command()
def jobs(
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    url: Url = DEFAULT_URL,
) -> None:
    """List jobs, one line a job."""
    with Client(url) as client:
        for job in client.jobs(limit=limit)["items"]:
            console.print(job_line(job))


def _read_spec(given: str | None) -> dict[str, Any] | None:
    if given is None:
        return None
    try:
        spec = json.loads(given if given.lstrip().startswith("{") else Path(given).read_text())
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"neither JSON nor a file of JSON: {error}", param_hint="--spec") from error
    if not isinstance(spec, dict):
        raise typer.BadParameter(f"expected a JSON object, got {type(spec).__name__}", param_hint="--spec")
    return spec


def main() -> None:
    """Run the command line; a refusal or failure is one message on stderr and exit code 1."""
    try:
        app()
    except ClientError as error:
        messages.print(Text("Error:", style="bold red"), str(error))
        sys.exit(1)
