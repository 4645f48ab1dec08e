"""What the commands have in common: where they print, and which service they use."""

from contextvars import ContextVar
from typing import Annotated

import typer
from rich.console import Console

from td3client.client import Client

# Names, paths and messages are printed literally, not as markup.
console = Console(soft_wrap=True, markup=False, emoji=False, highlight=False)
messages = Console(soft_wrap=True, markup=False, emoji=False, highlight=False, stderr=True)

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="URL of the service. Also read from `TD3_URL`. Default: that of the profile or, without one, "
        "`http://127.0.0.1:8000`.",
        show_default=False,
    ),
]
ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile",
        help="Profile of the service, of `td3 login`. Also read from `TD3_PROFILE`.",
        show_default=False,
    ),
]


given_profile: ContextVar[str | None] = ContextVar("given_profile", default=None)
"""The profile that the command line names before the command."""


def connect(url: str | None) -> Client:
    """Return a client of the service that the command line or the environment means."""
    return Client(url, profile=given_profile.get())
