"""Conditional and partial downloads, after RFC 9110, of files whose ETag is the hash of their bytes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from api.errors import RangeError

_RANGE = re.compile(r"bytes=\s*(?P<first>\d{0,18})-(?P<last>\d{0,18})\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Slice:
    """The bytes to send, from `start` up to, not including, `end`."""

    start: int
    end: int
    partial: bool


def not_modified(headers: Mapping[str, str], etag: str) -> bool:
    """Whether `If-None-Match` names the file the client would get (section 13.1.2; compares weakly)."""
    sent = headers.get("if-none-match")
    if sent is None:
        return False
    return sent.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in sent.split(","))


def requested_slice(headers: Mapping[str, str], *, size: int, etag: str) -> Slice:
    """Which bytes `Range` asks for: all where it is absent, unknown, of several parts, or out of date.

    Section 14.2 lets a server ignore a Range; `If-Range` (section 13.1.5) must name this file, strongly.

    Raises:
        RangeError: No byte of the file lies in the range.
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
