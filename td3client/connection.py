"""Which service is meant, and what proves to it who asks: what is given, the environment, or a profile.

The first of these that names a service decides:

1. a URL that is given (`--url`, `base_url=`),
2. a profile that is given (`--profile`, `profile=`),
3. a URL in `TD3_URL`,
4. a profile in `TD3_PROFILE`,
5. the profile `default`, if there is one and `TD3_TOKEN` is not set,
6. `http://127.0.0.1:8000`.

The key is the one that is given. Otherwise a profile brings its own, and a URL goes with that of `TD3_TOKEN` or,
without it, that of a service which this user runs at exactly this address. So the key of a profile is sent to no other
URL than that of the profile, and `TD3_TOKEN` to none that a profile names.
"""

import os
from dataclasses import dataclass, field

from td3client.errors import InvalidSettingError
from td3client.local import local_key
from td3client.profiles import DEFAULT, find_profile, read_profiles

DEFAULT_URL = "http://127.0.0.1:8000"
URL_VARIABLE, PROFILE_VARIABLE, TOKEN_VARIABLE = "TD3_URL", "TD3_PROFILE", "TD3_TOKEN"


@dataclass(frozen=True, slots=True)
class Connection:
    """A service, how it is reached, and the key for it, if there is one."""

    url: str
    token: str | None = field(repr=False)
    ca_file: str | None = None
    proxy: str | None = field(default=None, repr=False)


def connection(url: str | None = None, *, profile: str | None = None, token: str | None = None) -> Connection:
    """Return the service that is meant.

    Args:
        url: URL that is given.
        profile: Name of the profile that is given.
        token: Key that is given; an empty one sends none, and None takes what the order above says.

    Raises:
        InvalidSettingError: Both a URL and a profile are given.
        UnknownProfileError: There is no profile of this name.
        PrivateFileError: The file of a key or of the profiles cannot be read, or others can read it.
    """
    if url and profile:
        raise InvalidSettingError("a URL and a profile are given; expected one of them")
    if name := used_profile(url, profile=profile):
        found = find_profile(name)
        own = found.token if token is None else token
        return Connection(found.url, own, ca_file=found.ca_file, proxy=found.proxy)
    url = (url or os.environ.get(URL_VARIABLE) or DEFAULT_URL).rstrip("/")
    own = os.environ.get(TOKEN_VARIABLE) or local_key(url) if token is None else token
    return Connection(url, own)


def used_profile(url: str | None = None, *, profile: str | None = None) -> str | None:
    """Return the name of the profile that decides, or None if a URL does.

    Raises:
        PrivateFileError: The file of the profiles cannot be used.
    """
    if url or profile:
        return profile
    if os.environ.get(URL_VARIABLE):
        return None
    if named := os.environ.get(PROFILE_VARIABLE):
        return named
    return DEFAULT if not os.environ.get(TOKEN_VARIABLE) and DEFAULT in read_profiles() else None
