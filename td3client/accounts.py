"""The commands of keys and profiles on this machine: `td3 login`, `logout`, `profiles` and `whoami`."""

from pathlib import Path
from typing import Annotated

import httpx
import typer

from td3client.client import Client
from td3client.connection import DEFAULT_URL, used_profile
from td3client.private import read_secret
from td3client.profiles import (
    DEFAULT,
    Profile,
    check_name,
    profiles_file,
    read_profiles,
    remove_profile,
    store_profile,
)
from td3client.resources import Me
from td3client.terminal import Url, connect, console, given_profile, messages
from td3client.text import plain_line
from td3client.transport import is_this_machine, service_url


def login(
    url: Annotated[
        str | None, typer.Option("--url", help="URL of the service. Asked for if left out.")
    ] = None,
    key_file: Annotated[
        str | None,
        typer.Option(
            help="File that the key is read from, or `-` for standard input. Asked for if left out."
        ),
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="File of the authorities whose certificates are trusted, in PEM.")
    ] = None,
    proxy: Annotated[
        str | None, typer.Option(help="URL of the proxy to the service. Default: that of the environment.")
    ] = None,
) -> None:
    """Check a key, and store it with its URL in a profile that later commands use.

    The profile is `default`, or that of `td3 --profile NAME login`. The file of the profiles is for its user alone.
    """
    name = given_profile.get() or DEFAULT
    check_name(name)
    url = str(url or typer.prompt("URL of the service", default=DEFAULT_URL, err=True)).rstrip("/")
    _warn_if_plain(service_url(url))
    key = _read_key(key_file)
    authorities = None if ca_file is None else str(ca_file.absolute())
    with Client(url, token=key, verify=authorities or True, proxy=proxy) as client:
        me = client.me()
    if me["key_id"] is None and me["expires_at"] is None:
        messages.print("The service has access control off: it has not looked at the key.")
    store_profile(name, Profile(url, key, ca_file=authorities, proxy=proxy))
    messages.print(f"Stored as the profile {name} in {profiles_file()}")
    _show(url, me)


def logout() -> None:
    """Remove the profile `default`, or that of `td3 --profile NAME logout`, and its key from this machine.

    The key stays valid: `td3 keys revoke` ends it.
    """
    name = given_profile.get() or DEFAULT
    remove_profile(name)
    messages.print(f"Removed the profile {name}")


def profiles() -> None:
    """List the profiles, one per line, with their URLs; an asterisk marks the one that is used now."""
    used = used_profile(profile=given_profile.get())
    for name, profile in read_profiles().items():
        console.print(f"{'*' if name == used else ' '} {plain_line(name)} {plain_line(profile.url)}")


def whoami(url: Url = None) -> None:
    """Print which service is used, and who one is there: project, key, scopes and expiry."""
    with connect(url) as client:
        _show(client.base_url, client.me())


def _show(url: str, me: Me) -> None:
    shown = {
        "service": url,
        "project": me["project"],
        "key": me["key_id"] or "none",
        "scopes": ", ".join(me["scopes"]),
        "expires": me["expires_at"] or "never",
    }
    if user := me.get("user"):
        shown["user"] = f"{user['subject']} of {user['issuer']}"
    for name, value in shown.items():
        console.print(plain_line(f"{name:8} {value}"))


def _warn_if_plain(url: httpx.URL) -> None:
    if url.scheme == "http" and not is_this_machine(url.host):
        messages.print("The URL is plain http: whoever sees the traffic can read the key; https hides it.")


def _read_key(file: str | None) -> str:
    """Return the key from a file, from standard input (`-`) or, without echo, from the terminal."""
    if file is None:
        return str(typer.prompt("API key", hide_input=True, err=True)).strip()
    return read_secret(file, "key")
