"""The commands `td3 keys ...` and `td3 projects ...`, for administrators."""

from typing import Annotated

import typer

from td3client.resources import CreatedKey
from td3client.terminal import Url, connect, console, messages
from td3client.text import plain_line

keys = typer.Typer(help="Create, list, replace and revoke API keys.", no_args_is_help=True)
projects = typer.Typer(help="Create and list projects.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(help="Id of the key (key_…).")]
Name = Annotated[str, typer.Argument(help="What it is for, or whose it is.")]
Project = Annotated[
    str | None, typer.Option(help="Id of its project, if it is another than that of your own key (proj_…).")
]
Days = Annotated[float | None, typer.Option(help="Days for which the key is valid. Default: 90.")]
Limit = Annotated[int, typer.Option(min=1, help="Maximum number of lines.")]


@keys.command("create")
def create_key(
    name: Name,
    role: Annotated[
        str | None, typer.Option(help="A name for usual scopes: viewer, member, admin or platform.")
    ] = None,
    scope: Annotated[list[str] | None, typer.Option(help="In place of a role. May be repeated.")] = None,
    days: Days = None,
    project: Project = None,
    url: Url = None,
) -> None:
    """Create a key and print its text alone, which is not shown again; its id goes to stderr."""
    with connect(url) as client:
        _show(
            client.keys.create(name, role=role, scopes=scope or None, expires_in_days=days, project=project)
        )


@keys.command("list")
def list_keys(limit: Limit = 50, project: Project = None, url: Url = None) -> None:
    """List keys, newest first, one per line, with those that are no longer valid."""
    with connect(url) as client:
        for key in client.keys.list(limit=limit, project=project)["items"]:
            end = (
                f"revoked {key['revoked_at'][:10]}"
                if key["revoked_at"]
                else f"until {key['expires_at'][:10]}"
            )
            shown = f"{key['id']} ...{key['last_characters']} {end} {', '.join(key['scopes'])} {key['name']}"
            console.print(plain_line(shown))


@keys.command("rotate")
def rotate_key(
    key_id: KeyId,
    overlap: Annotated[
        float | None, typer.Option(help="Seconds for which the former key stays valid. Default: a week.")
    ] = None,
    days: Days = None,
    project: Project = None,
    url: Url = None,
) -> None:
    """Create a key of the same name and scopes, and print its text alone, which is not shown again."""
    with connect(url) as client:
        _show(client.keys.rotate(key_id, overlap_seconds=overlap, expires_in_days=days, project=project))


@keys.command("revoke")
def revoke_key(key_id: KeyId, project: Project = None, url: Url = None) -> None:
    """Revoke a key at once."""
    with connect(url) as client:
        client.keys.revoke(key_id, project=project)


@projects.command("create")
def create_project(name: Name, url: Url = None) -> None:
    """Create a project and print its id."""
    with connect(url) as client:
        console.print(plain_line(client.projects.create(name)["id"]))


@projects.command("list")
def list_projects(limit: Limit = 50, url: Url = None) -> None:
    """List projects, newest first, one per line."""
    with connect(url) as client:
        for project in client.projects.list(limit=limit)["items"]:
            console.print(plain_line(f"{project['id']} {project['name']}"))


def _show(made: CreatedKey) -> None:
    messages.print(plain_line(f"{made['id']}, valid until {made['expires_at'][:10]}. It is not shown again:"))
    console.print(plain_line(made["key"]))
