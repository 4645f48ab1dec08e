"""The headers by which a client proves who it is. No error and no representation shows their values."""

import os
import re
from collections.abc import Mapping

from td3client.errors import InvalidHeaderError

TOKEN_VARIABLE = "TD3_TOKEN"

_TOKEN = re.compile(r"[!-~]+")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")


def credentials(token: str | None, headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return the headers of every request.

    Args:
        token: The API key; None takes that of the environment, an empty one sends none.
        headers: Further headers, which come first: one of them may be another `Authorization`.

    Raises:
        InvalidHeaderError: One of them cannot be sent.
    """
    sent = dict(headers or {})
    for name, value in sent.items():
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            raise InvalidHeaderError(f"the header {name!r}")
    token = (os.environ.get(TOKEN_VARIABLE, "") if token is None else token).strip()
    if token and not _TOKEN.fullmatch(token):
        raise InvalidHeaderError("the API key")
    if token and "authorization" not in map(str.lower, sent):
        sent["Authorization"] = f"Bearer {token}"
    return sent
