"""The headers by which a client proves who it is. No error and no representation shows their values."""

import os
import re
from collections.abc import Mapping

from td3client.errors import InvalidHeaderError
from td3client.local import local_key

TOKEN_VARIABLE = "TD3_TOKEN"

_TOKEN = re.compile(r"[!-~]+")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")


def credentials(url: str, token: str | None, headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return the headers of every request to the service at this URL.

    Args:
        url: Of the service.
        token: The API key; None takes that of the environment or, without one, that which a service on this machine
            has left for its user; an empty one sends none.
        headers: Further headers, which come first: one of them may be another `Authorization`.

    Raises:
        InvalidHeaderError: One of them cannot be sent.
        PrivateFileError: The file of the key cannot be read, or others can read it.
    """
    sent = dict(headers or {})
    for name, value in sent.items():
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            raise InvalidHeaderError(f"the header {name!r}")
    named = "authorization" in map(str.lower, sent)
    if token is None:
        token = os.environ.get(TOKEN_VARIABLE) or (None if named else local_key(url)) or ""
    token = token.strip()
    if token and not _TOKEN.fullmatch(token):
        raise InvalidHeaderError("the API key")
    if token and not named:
        sent["Authorization"] = f"Bearer {token}"
    return sent
