"""The headers by which a client proves who it is. No error and no representation shows their values."""

import re
from collections.abc import Mapping

from td3client.errors import InvalidHeaderError

_TOKEN = re.compile(r"[!-~]+")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")


def credentials(token: str | None, headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return the headers of every request.

    Args:
        token: The API key, if there is one.
        headers: Further headers, which come first: one of them may be another `Authorization`.

    Raises:
        InvalidHeaderError: One of them cannot be sent.
    """
    sent = dict(headers or {})
    for name, value in sent.items():
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            raise InvalidHeaderError(f"the header {name!r}")
    token = (token or "").strip()
    if token and not _TOKEN.fullmatch(token):
        raise InvalidHeaderError("the API key")
    if token and not has_authorization(sent):
        sent["Authorization"] = f"Bearer {token}"
    return sent


def has_authorization(headers: Mapping[str, str] | None) -> bool:
    """Whether the headers prove who the client is, so that no key is needed."""
    return "authorization" in map(str.lower, headers or {})
