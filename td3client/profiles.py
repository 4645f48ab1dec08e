"""Profiles: services under names, each with its URL and its key, in a file that their user alone can read."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from td3client.errors import InvalidSettingError, PrivateFileError, UnknownProfileError
from td3client.private import config_folder, read_private, write_private

DEFAULT = "default"
"""Name of the profile that is used if nothing else is said."""

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Profile:
    """A service, and how it is reached."""

    url: str
    token: str = field(repr=False)
    ca_file: str | None = None
    proxy: str | None = field(default=None, repr=False)


def profiles_file() -> Path:
    """Return the file of all profiles; it need not exist."""
    return config_folder() / "profiles.json"


def read_profiles() -> dict[str, Profile]:
    """Return the profiles by their names.

    Raises:
        PrivateFileError: The file cannot be read, others can read it, or it holds something else.
    """
    file = profiles_file()
    text = read_private(file)
    if text is None:
        return {}
    try:
        stored = json.loads(text)
        return {name: _profile(fields) for name, fields in stored.items()}
    except (ValueError, AttributeError, RecursionError):
        # The error of the parser has the text in it.
        raise PrivateFileError(
            file,
            "expected JSON with an object for each profile, with url, token and, if need be, ca_file and proxy",
        ) from None


def find_profile(name: str) -> Profile:
    """Return the profile of this name.

    Raises:
        UnknownProfileError: There is none.
        PrivateFileError: The file of the profiles cannot be used.
    """
    stored = read_profiles()
    if name not in stored:
        raise UnknownProfileError(name, profiles_file(), sorted(stored))
    return stored[name]


def store_profile(name: str, profile: Profile) -> None:
    """Store a profile, in place of one that has this name.

    Raises:
        InvalidSettingError: It cannot have this name.
        PrivateFileError: The file of the profiles cannot be used.
    """
    check_name(name)
    _write(read_profiles() | {name: profile})


def remove_profile(name: str) -> None:
    """Remove a profile; raises what `find_profile` does."""
    find_profile(name)
    _write({other: profile for other, profile in read_profiles().items() if other != name})


def check_name(name: str) -> None:
    """Raise InvalidSettingError unless a profile can have this name."""
    if not _NAME.fullmatch(name):
        raise InvalidSettingError(
            f"{name[:100]!r} cannot be the name of a profile; expected up to 64 letters, digits and . _ -"
        )


def _write(stored: Mapping[str, Profile]) -> None:
    fields = {
        name: {key: value for key, value in asdict(profile).items() if value is not None}
        for name, profile in sorted(stored.items())
    }
    write_private(profiles_file(), json.dumps(fields, indent=2) + "\n")


def _profile(fields: object) -> Profile:
    if not isinstance(fields, dict):
        raise ValueError("not an object")
    given = cast("dict[str, Any]", fields)
    names = ("url", "token", "ca_file", "proxy")
    if not all(isinstance(given.get(name), str) for name in names[:2]):
        raise ValueError("no URL or key")
    if not all(isinstance(given.get(name), str | None) for name in names[2:]):
        raise ValueError("not text")
    return Profile(**{name: given[name] for name in names if name in given})
