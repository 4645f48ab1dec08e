"""Conditional and partial downloads (RFC 9110) of files whose ETag is the hash of their content."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from api.errors import RangeError

_RANGE = re.compile(r"bytes=\s*(?P<first>\d{0,18})-(?P<last>\d{0,18})\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Slice:
    """The bytes to send, from `start` to `end` (exclusive)."""

    start: int
    end: int
    partial: bool


def not_modified(headers: Mapping[str, str], etag: str) -> bool:
    """Whether `If-None-Match` contains the ETag of the file (section 13.1.2; weak comparison)."""
    sent = headers.get("if-none-match")
    if sent is None:
        return False
    return sent.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in sent.split(","))


def requested_slice(headers: Mapping[str, str], *, size: int, etag: str) -> Slice:
    """Return the bytes that `Range` requests; all if it is absent, invalid, has several parts, or is outdated.

    A server may ignore a Range (section 14.2); `If-Range` must contain the strong ETag of this file (section 13.1.5).

    Raises:
        RangeError: The range contains no byte of the file.
    """
    whole = Slice(0, size, partial=False)
    if headers.get("if-range", etag).strip() != etag:
        return whole
    match = _RANGE.fullmatch(headers.get("range", ""))
    if match is None or not (match["first"] or match["last"]):
        return whole
    if not match["first"]:
        start, end = max(0, size - int(match["last"])), size
    else:
        start = int(match["first"])
        end = min(size, int(match["last"]) + 1) if match["last"] else size
        if match["last"] and int(match["last"]) < start:
            return whole  # invalid, so ignored
    if start >= end:
        raise RangeError(
            f"The file has {size} bytes; the range {headers['range']!r} is outside it.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return Slice(start, end, partial=True)
