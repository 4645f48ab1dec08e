"""The commands `td3 webhooks ...`."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from td3client.private import read_secret
from td3client.requests import given
from td3client.resources import DeliveryState
from td3client.terminal import Url, connect, console, messages
from td3client.text import plain_json, plain_line

app = typer.Typer(help="See and change who is told of events.", no_args_is_help=True)

WebhookId = Annotated[str, typer.Argument(help="Id of the webhook (hook_…).")]
DeliveryId = Annotated[str, typer.Argument(help="Id of the delivery (msg_…).")]
Events = Annotated[
    list[str] | None,
    typer.Option("--event", help="Type of an event to be told of, such as job.succeeded. May be repeated."),
]
SecretFile = Annotated[
    str | None,
    typer.Option(
        help="File of the secret that signs what is sent, or `-` for standard input. Default: a random one, which is "
        "printed."
    ),
]
Limit = Annotated[int, typer.Option(min=1, help="Maximum number of lines.")]


@app.command()
def create(
    receiver: Annotated[str, typer.Argument(help="URL that events are sent to.")],
    event: Events = None,
    secret_file: SecretFile = None,
    url: Url = None,
) -> None:
    """Have a URL told of events of all runs, and print the webhook as JSON, with its secret."""
    with connect(url) as client:
        made = client.webhooks.create(receiver, events=event or None, secret=_secret(secret_file))
        console.print(plain_json(made))


@app.command("list")
def list_webhooks(
    job: Annotated[str | None, typer.Option(help="List the webhooks of this job (job_…).")] = None,
    limit: Limit = 50,
    url: Url = None,
) -> None:
    """List the webhooks of the project, newest first, one per line."""
    with connect(url) as client:
        for webhook in client.webhooks.list(job_id=job, limit=limit)["items"]:
            state = "on " if webhook["enabled"] else "off"
            console.print(
                plain_line(f"{webhook['id']} {state} {webhook['url']} {', '.join(webhook['events'])}")
            )


@app.command()
def get(webhook_id: WebhookId, url: Url = None) -> None:
    """Print a webhook as JSON, without its secret."""
    with connect(url) as client:
        console.print(plain_json(client.webhooks.get(webhook_id)))


@app.command()
def update(
    webhook_id: WebhookId,
    receiver: Annotated[str | None, typer.Option(help="URL that events are sent to.")] = None,
    event: Events = None,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Whether anything is sent.", show_default=False)
    ] = None,
    url: Url = None,
) -> None:
    """Change what is given, and print the webhook as JSON."""
    with connect(url) as client:
        changed = client.webhooks.update(webhook_id, url=receiver, events=event or None, enabled=enabled)
        console.print(plain_json(changed))


@app.command()
def delete(webhook_id: WebhookId, url: Url = None) -> None:
    """Delete a webhook and its deliveries."""
    with connect(url) as client:
        client.webhooks.delete(webhook_id)


@app.command("test")
def send_test(webhook_id: WebhookId, url: Url = None) -> None:
    """Send an event of type webhook.test to a webhook, and print the id of the delivery."""
    with connect(url) as client:
        console.print(plain_line(client.webhooks.test(webhook_id)["id"]))


@app.command()
def rotate(
    webhook_id: WebhookId,
    secret_file: SecretFile = None,
    overlap: Annotated[
        float | None, typer.Option(help="Seconds for which the former secret signs as well. Default: a day.")
    ] = None,
    url: Url = None,
) -> None:
    """Give a webhook another secret, and print the webhook as JSON, with its secret."""
    with connect(url) as client:
        made = client.webhooks.rotate(webhook_id, secret=_secret(secret_file), overlap_seconds=overlap)
        console.print(plain_json(made))


@app.command()
def deliveries(
    webhook_id: WebhookId,
    state: Annotated[
        Literal["waiting", "delivered", "failed"] | None, typer.Option(help="List only those in this state.")
    ] = None,
    limit: Limit = 50,
    url: Url = None,
) -> None:
    """List the deliveries of a webhook, newest first, one per line, each with how its last try ended."""
    wanted: DeliveryState | None = state
    with connect(url) as client:
        for delivery in client.webhooks.deliveries(webhook_id, state=wanted, limit=limit)["items"]:
            told = [delivery["id"], f"{delivery['state']:9}", delivery["created_at"][:19], delivery["type"]]
            told += [delivery["run_id"] or ""]
            for last in delivery["tries"][-1:]:
                told.append(str(last["error"] if last["status"] is None else last["status"]))
            console.print(plain_line(" ".join(told)))


@app.command()
def delivery(webhook_id: WebhookId, delivery_id: DeliveryId, url: Url = None) -> None:
    """Print a delivery as JSON, with its latest tries and their answers."""
    with connect(url) as client:
        console.print(plain_json(client.webhooks.delivery(webhook_id, delivery_id)))


@app.command()
def redeliver(webhook_id: WebhookId, delivery_id: DeliveryId, url: Url = None) -> None:
    """Send a delivery again, whatever became of it, and print its state."""
    with connect(url) as client:
        console.print(plain_line(client.webhooks.redeliver(webhook_id, delivery_id)["state"]))


@app.command()
def replay(
    webhook_id: WebhookId,
    since: Annotated[str, typer.Option(help="Moment of the first event, such as 2026-01-15T00:00:00Z.")],
    until: Annotated[
        str | None, typer.Option(help="Moment of the first event that is not sent. Default: now.")
    ] = None,
    url: Url = None,
) -> None:
    """Send all events since a moment again, and those that were missed."""
    with connect(url) as client:
        number = client.webhooks.replay(webhook_id, since=since, until=until)
        messages.print(f"{number} events are sent")


def of_submission(
    receiver: str | None, events: list[str] | None, secret_file: str | None
) -> Mapping[str, Any] | None:
    """Return the webhook that a job is submitted with, of the options of `td3 submit`.

    Raises:
        typer.BadParameter: There are events or a secret, but no URL.
    """
    if receiver is not None:
        return given(url=receiver, events=events or None, secret=_secret(secret_file))
    if events or secret_file:
        raise typer.BadParameter("expected a URL", param_hint="--webhook")
    return None


def _secret(file: str | None) -> str | None:
    return None if file is None else read_secret(file, "secret")
