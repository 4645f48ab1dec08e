"""The `td3` command line: submit a log, follow the job, download the summary, evaluate it."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from td3client.accounts import login, logout, profiles, whoami
from td3client.certificate import certificate
from td3client.client import Client
from td3client.display import evaluation_line, event_line, follow, job_line, limit_line
from td3client.errors import ClientError
from td3client.finding import RunFilter
from td3client.ids import is_evaluation
from td3client.key_commands import keys, projects
from td3client.reading import reading_lines
from td3client.resources import Evaluation, Job, Priority
from td3client.terminal import ProfileName, Url, connect, console, given_profile, messages
from td3client.text import plain_json, plain_line
from td3client.webhook_commands import app as webhooks
from td3client.webhook_commands import of_submission

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # one of them may be a key
)
app.add_typer(webhooks, name="webhooks")
app.add_typer(keys, name="keys")
app.add_typer(projects, name="projects")
for command in (login, logout, profiles, whoami):
    app.command()(command)
Log = Annotated[
    Path,
    typer.Argument(
        exists=True,
        dir_okay=False,
        help="Interaction log: CSV, TSV, JSON Lines, RecBole .inter or Parquet.",
    ),
]
JobId = Annotated[str, typer.Argument(help="Id of the job (job_…).")]
RunId = Annotated[str, typer.Argument(help="Id of a job (job_…) or an evaluation (eval_…).")]
RunIds = Annotated[list[str], typer.Argument(help="Ids of jobs (job_…) or evaluations (eval_…).")]
Cutoff = Annotated[int, typer.Option(help="Cut-off k of the metrics of an evaluation to print.")]
Class = Annotated[
    Priority,
    typer.Option(help="Class: as long as runs of a higher class wait, none of a lower one is begun."),
]
Spec = Annotated[
    str | None,
    typer.Option(
        "--spec",
        help="Fields of the spec that differ from the defaults: a JSON file, or JSON such as "
        '\'{"summary": {"users": 30}}\'.',
    ),
]
Name = Annotated[str | None, typer.Option("--name", help="Name, for people.")]
LabelKeys = Annotated[
    list[str] | None, typer.Option("--label", help="Label, as key:value or a key alone. May be repeated.")
]
Limit = Annotated[int, typer.Option(min=1, help="Maximum number in the list.")]


def _filter(option: str, what: str) -> Any:
    """An option of a list, which may be repeated."""
    return typer.Option(option, help=f"Only with {what}. May be repeated.")


States = Annotated[list[str] | None, _filter("--state", "this state")]
NotStates = Annotated[list[str] | None, _filter("--not-state", "another state than this")]
Labels = Annotated[list[str] | None, _filter("--label", "this label, as key or key:value")]
NotLabels = Annotated[list[str] | None, _filter("--not-label", "no such label")]
Datasets = Annotated[list[str] | None, _filter("--dataset", "this file name, SHA-256 or id of the log")]
Creators = Annotated[list[str] | None, _filter("--created-by", "the API key of this id as their creator")]
Errors = Annotated[list[str] | None, _filter("--error", "this code of an error")]
Since = Annotated[
    str | None, typer.Option(help="Only those submitted then or later, such as 2026-01-15T00:00:00Z.")
]
Until = Annotated[str | None, typer.Option(help="Only those submitted before then.")]
Sort = Annotated[
    str | None,
    typer.Option(
        help="created_at or finished_at; with a - before it, the latest first. Default: -created_at."
    ),
]
Deleted = Annotated[bool, typer.Option("--deleted", help="Those that are deleted and can be restored.")]


@app.callback()
def td3(profile: ProfileName = None) -> None:
    """Distil interaction logs with TD3 Service."""
    given_profile.set(profile)


@app.command()
def submit(
    log: Log,
    spec: Spec = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the job has ended and show its progress.")
    ] = False,
    deadline: Annotated[
        float | None,
        typer.Option(help="Deadline in seconds from now; a job that has not ended by then fails."),
    ] = None,
    priority: Class = "normal",
    force: Annotated[
        bool, typer.Option("--force", help="Create a new job even if an identical one exists.")
    ] = False,
    name: Name = None,
    label: LabelKeys = None,
    webhook: Annotated[
        str | None, typer.Option(help="URL that is told when the job ends. Its secret is printed to stderr.")
    ] = None,
    webhook_event: Annotated[
        list[str] | None,
        typer.Option(help="Type of an event that it is told of in place of the ends. May be repeated."),
    ] = None,
    webhook_secret_file: Annotated[
        str | None,
        typer.Option(help="File of the secret that signs what is sent to it, in place of a random one."),
    ] = None,
    url: Url = None,
) -> None:
    """Upload an interaction log, start a job and print its id. How the log was read goes to stderr.

    If an identical job exists already, its id is printed instead, unless --force is given.
    """
    with connect(url) as client:
        job = client.submit(
            log,
            _read_spec(spec),
            deadline_seconds=deadline,
            force=force,
            priority=priority,
            webhook=of_submission(webhook, webhook_event, webhook_secret_file),
            name=name,
            labels=_read_labels(label),
        )
        if job.get("deduplicated"):
            messages.print("An identical job exists already; use --force to create a new one.")
        console.print(plain_line(job["id"]))
        if (made := job.get("webhook")) and not webhook_secret_file:
            messages.print(
                plain_line(f"Webhook {made['id']}; its secret is not shown again: {made['secret']}")
            )
        for use in job.get("nearly_reached", ()):
            messages.print(plain_line(f"Nearly reached: {limit_line(use)}"))
        _show_reading(job)
        if wait:
            ended = follow(console, client.wait(job["id"]), title="job")
            if not _is_read(job):
                _show_reading(ended)


@app.command()
def validate(log: Log, spec: Spec = None, url: Url = None) -> None:
    """Upload an interaction log, and print how a job with this spec would read it. Nothing of it is kept.

    The exit code is 1 if the log is refused.
    """
    with connect(url) as client:
        reading = client.validate(log, _read_spec(spec))["reading"]
        for line in reading_lines(reading) if reading else ():
            console.print(plain_line(line))


@app.command()
def status(run_id: RunId, url: Url = None) -> None:
    """Print a job or an evaluation as JSON."""
    with connect(url) as client:
        console.print(plain_json(client.run(run_id)))


@app.command()
def wait(run_id: RunId, cutoff: Cutoff = 10, url: Url = None) -> None:
    """Show the progress of a job or an evaluation until it has ended, and print the results of an evaluation.

    The exit code is 1 unless it succeeded.
    """
    with connect(url) as client:
        if is_evaluation(run_id):
            _show_results(client, run_id, cutoff)
        else:
            follow(console, client.wait(run_id), title="job")


@app.command()
def download(
    job_id: JobId,
    path: Annotated[Path, typer.Argument(help="File or directory to save the archive to.")] = Path(),
    url: Url = None,
) -> None:
    """Download the summary of a job and print its path. An interrupted download is resumed."""
    with connect(url) as client:
        console.print(str(client.download_summary(job_id, path)))


@app.command()
def evaluate(
    job_id: JobId,
    spec: Spec = None,
    cutoff: Cutoff = 10,
    name: Name = None,
    label: LabelKeys = None,
    priority: Class = "normal",
    url: Url = None,
) -> None:
    """Evaluate the summary of a job: train fresh learners on it and on baselines, and print the results.

    The id of the evaluation goes to stderr. The evaluation goes on if this command is interrupted; `td3 wait` with the
    id waits for it again.
    """
    with connect(url) as client:
        evaluation = client.evaluate(
            job_id, _read_spec(spec), priority=priority, name=name, labels=_read_labels(label)
        )
        messages.print(plain_line(evaluation["id"]))
        _show_results(client, evaluation["id"], cutoff)


@app.command()
def evaluations(
    job_id: Annotated[str | None, typer.Argument(help="Id of the job (job_…). Default: of all jobs.")] = None,
    limit: Limit = 20,
    state: States = None,
    not_state: NotStates = None,
    label: Labels = None,
    not_label: NotLabels = None,
    dataset: Datasets = None,
    created_by: Creators = None,
    error: Errors = None,
    since: Since = None,
    until: Until = None,
    sort: Sort = None,
    deleted: Deleted = False,
    url: Url = None,
) -> None:
    """List the evaluations of a job or of all jobs, newest first, one per line: all, or those that all options want."""
    wanted = _wanted(
        state, not_state, label, not_label, dataset, created_by, error, since, until, sort, deleted=deleted
    )
    with connect(url) as client:
        for evaluation in client.evaluations(job_id, limit=limit, **wanted)["items"]:
            console.print(evaluation_line(evaluation))


@app.command()
def events(
    run_id: RunId,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for new events until the run has ended.")
    ] = False,
    url: Url = None,
) -> None:
    """Print the events of a job or an evaluation, one per line."""
    with connect(url) as client:
        for event in client.events(run_id, follow=follow):
            console.print(event_line(event))


@app.command()
def cancel(run_id: RunId, url: Url = None) -> None:
    """Cancel a job or an evaluation and print its state."""
    with connect(url) as client:
        console.print(plain_line(client.cancel(run_id)["state"]))


@app.command()
def pause(job_id: JobId, url: Url = None) -> None:
    """Pause a job and print its state."""
    with connect(url) as client:
        console.print(plain_line(client.pause(job_id)["state"]))


@app.command()
def resume(job_id: JobId, url: Url = None) -> None:
    """Resume a paused job from its checkpoint and print its state."""
    with connect(url) as client:
        console.print(plain_line(client.resume(job_id)["state"]))


@app.command()
def jobs(
    limit: Limit = 20,
    state: States = None,
    not_state: NotStates = None,
    label: Labels = None,
    not_label: NotLabels = None,
    dataset: Datasets = None,
    created_by: Creators = None,
    error: Errors = None,
    since: Since = None,
    until: Until = None,
    sort: Sort = None,
    deleted: Deleted = False,
    url: Url = None,
) -> None:
    """List jobs, newest first, one per line: all, or those that all options want."""
    wanted = _wanted(
        state, not_state, label, not_label, dataset, created_by, error, since, until, sort, deleted=deleted
    )
    with connect(url) as client:
        for job in client.jobs(limit=limit, **wanted)["items"]:
            console.print(job_line(job))


@app.command()
def delete(run_ids: RunIds, url: Url = None) -> None:
    """Delete jobs or evaluations that have ended, and print until when each can be restored."""
    with connect(url) as client:
        for run_id in run_ids:
            gone = client.delete(run_id)
            until, freed = gone["restorable_until"][:19], gone["frees_bytes"]
            console.print(
                plain_line(f"{gone['id']} can be restored until {until}, then {freed} bytes are freed")
            )


@app.command()
def restore(run_ids: RunIds, url: Url = None) -> None:
    """Restore deleted jobs or evaluations and print their states."""
    with connect(url) as client:
        for run_id in run_ids:
            run = client.restore(run_id)
            console.print(plain_line(f"{run['id']} {run['state']}"))


@app.command()
def limits(url: Url = None) -> None:
    """Print the limits of the project: how much of each is used, and how much is left."""
    with connect(url) as client:
        for use in client.me()["limits"]:
            console.print(plain_line(limit_line(use)))


@app.command()
def change(
    run_id: RunId,
    name: Annotated[str | None, typer.Option("--name", help="New name; an empty one removes it.")] = None,
    label: LabelKeys = None,
    unlabel: Annotated[
        list[str] | None, typer.Option("--unlabel", help="Key of a label to remove. May be repeated.")
    ] = None,
    pin: Annotated[
        bool | None, typer.Option("--pin/--unpin", help="Whether retention keeps what it uses and made.")
    ] = None,
    url: Url = None,
) -> None:
    """Change name, labels and pin of a job or an evaluation, and print the labels that it has then."""
    labels: dict[str, str | None] = dict.fromkeys(unlabel or ()) | _read_labels(label)
    with connect(url) as client:
        changed = client.change(run_id, name=name, labels=labels or None, pinned=pin)
        for key, value in changed["labels"].items():
            console.print(plain_line(f"{key}:{value}"))


def _wanted(
    state: list[str] | None,
    not_state: list[str] | None,
    label: list[str] | None,
    not_label: list[str] | None,
    dataset: list[str] | None,
    created_by: list[str] | None,
    error: list[str] | None,
    since: str | None,
    until: str | None,
    sort: str | None,
    *,
    deleted: bool,
) -> RunFilter:
    """The filter that the options of a list give."""
    given: dict[str, Any] = {
        "state": state,
        "not_state": not_state,
        "label": label,
        "not_label": not_label,
        "dataset": dataset,
        "created_by": created_by,
        "error": error,
        "created_since": since,
        "created_until": until,
        "sort": sort,
        "deleted": deleted,
    }
    return RunFilter(**{name: value for name, value in given.items() if value})


def _read_labels(written: list[str] | None) -> dict[str, str]:
    """Labels by key, of texts such as `key:value`."""
    return {key: value for key, _, value in (label.partition(":") for label in written or ())}


def _show_reading(job: Job) -> None:
    """Print how the log of a job was read, if its service tells."""
    for line in reading_lines(reading) if (reading := job["dataset"].get("reading")) else ():
        messages.print(plain_line(line))


def _is_read(job: Job) -> bool:
    """Whether the report on the log of a job is on all of it, or there is none."""
    reading = job["dataset"].get("reading")
    return reading is None or reading["whole"]


def _show_results(client: Client, evaluation_id: str, cutoff: int) -> None:
    """Follow an evaluation to its end, and print its results."""
    ended: Evaluation = follow(console, client.wait_evaluation(evaluation_id), title="evaluation")
    for part in certificate(ended, cutoff=cutoff):
        console.print(part)


def _read_spec(given: str | None) -> dict[str, Any] | None:
    if given is None:
        return None
    try:
        spec = json.loads(given if given.lstrip().startswith("{") else Path(given).read_text())
    except (OSError, ValueError) as error:
        raise typer.BadParameter(
            f"expected JSON or the path of a JSON file: {error}", param_hint="--spec"
        ) from error
    if not isinstance(spec, dict):
        raise typer.BadParameter(f"expected a JSON object, got {type(spec).__name__}", param_hint="--spec")
    return spec


def main() -> None:
    """Run the command line. An error is one message on stderr and exit code 1."""
    try:
        app()
    except ClientError as error:
        messages.print(Text("Error:", style="bold red"), str(error))
        sys.exit(1)
