"""Downloading an archive to a file: into the folder that was given, as large as was announced, and undamaged."""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import httpx

from td3client.answers import UNENCODED, check_head
from td3client.errors import DamagedDownloadError, NotSavedError, UnexpectedAnswerError, UnreachableError
from td3client.resources import Summary

ATTEMPTS = 5
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # Windows has none
_SHA256 = re.compile("[0-9a-f]{64}")


class Opened(Protocol):
    """Opens a URL with these headers, and names errors of the connection."""

    def __call__(self, url: str, headers: dict[str, str]) -> AbstractContextManager[httpx.Response]: ...


def download(opened: Opened, url: str, summary: Summary, target: Path) -> Path:
    """Download the summary at `url` to the file `target`; raises what `Client.download_summary` does."""
    part = target.with_name(f"{target.name}.part")
    size, sha256 = summary["bytes"], summary["sha256"]
    if size < 0 or not _SHA256.fullmatch(sha256):
        raise UnexpectedAnswerError(url, f"a summary of {size} bytes with the SHA-256 {sha256[:100]!r}")
    try:
        _check_space(part, size)
        _fetch(opened, url, summary, part)
        with part.open("rb") as archive:
            actual = hashlib.file_digest(archive, "sha256").hexdigest()
        if actual != sha256:
            part.unlink()
            raise DamagedDownloadError(target, expected=sha256, actual=actual)
        return part.replace(target)
    except OSError as error:
        raise NotSavedError(target, error) from error


def _check_space(part: Path, size: int) -> None:
    free = shutil.disk_usage(part.parent).free
    missing = size - (part.stat(follow_symlinks=False).st_size if part.exists() else 0)
    if missing > free:
        raise OSError(errno.ENOSPC, f"it takes {missing:,} bytes more, and {free:,} are free")


def _fetch(opened: Opened, url: str, summary: Summary, part: Path) -> None:
    """Download what is missing from `part`, and retry if the connection breaks."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _append_rest(opened, url, summary, part)
            return
        except UnreachableError:
            if attempt == ATTEMPTS:
                raise


def _append_rest(opened: Opened, url: str, summary: Summary, part: Path) -> None:
    """Download what is missing from `part`, or the whole archive if it has changed on the server."""
    have = part.stat(follow_symlinks=False).st_size if part.exists() else 0
    if have >= summary["bytes"]:
        return
    headers = dict(UNENCODED)
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": f'"{summary["sha256"]}"'}
    with opened(url, headers) as response:
        check_head(response)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise UnexpectedAnswerError(response.url, "it is a web page, where an archive was expected")
        resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
        with _open(part, os.O_APPEND if resumed else os.O_TRUNC) as archive:
            left = summary["bytes"] - (have if resumed else 0)
            for chunk in response.iter_raw():
                left -= len(chunk)
                if left < 0:
                    part.unlink()
                    raise UnexpectedAnswerError(
                        response.url, f"it has more than the {summary['bytes']:,} bytes that were announced"
                    )
                archive.write(chunk)


@contextmanager
def following(
    service: httpx.Client,
    url: str,
    headers: dict[str, str],
    *,
    transport: Callable[[httpx.URL], httpx.HTTPTransport],
) -> Generator[httpx.Response]:
    """Start a download. After the redirect to the storage, no headers for the service are sent there.

    Raises:
        UnexpectedAnswerError: The redirect leads to no place on the web, or from a secured place to one that is not.
    """
    with service.stream("GET", url, headers=headers) as response:
        if response.status_code != httpx.codes.TEMPORARY_REDIRECT or not response.has_redirect_location:
            yield response
            return
    # Objects in the storage never change, and it does not know our ETags.
    headers = {name: value for name, value in headers.items() if name != "If-Range"}
    location = _location(response)
    with (
        httpx.Client(timeout=service.timeout, transport=transport(location)) as elsewhere,
        elsewhere.stream("GET", location, headers=headers) as response,
    ):
        yield response


def _location(response: httpx.Response) -> httpx.URL:
    given = response.headers["Location"]
    allowed = ("https",) if response.url.scheme == "https" else ("http", "https")
    try:
        location = response.url.join(given)
    except (httpx.InvalidURL, ValueError) as error:
        raise UnexpectedAnswerError(response.url, f"it redirects to {given[:200]!r}: {error}") from error
    if location.scheme not in allowed or not location.host:
        raise UnexpectedAnswerError(
            response.url, f"it redirects to {given[:200]!r}; expected an address with {' or '.join(allowed)}"
        )
    return location


def _open(path: Path, flag: int) -> BinaryIO:
    """Open a file to write that is not a symbolic link: whoever else can write into the folder might have made one.

    Raises:
        OSError: It is one, or cannot be opened.
    """
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a symbolic link")
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | _NO_LINK | flag, 0o666), "wb")
