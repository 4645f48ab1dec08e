"""The key of the user who runs the service: made anew at each start, for this user alone, and gone with the service."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from embedded.errors import NoKeyError
from td3client.errors import PrivateFileError
from td3client.local import local_key_file
from td3client.private import write_private

KEY_FILE = "api-key"
"""Name of the file in the data folder."""
SECONDS = 120.0  # as long as for migrations: a busy machine starts Python slowly


def new_key(environment: Mapping[str, str]) -> str:
    """Make the key by the command of the API, in a service with these settings; the former one ends.

    Raises:
        NoKeyError: The command failed.
    """
    try:
        made = subprocess.run(
            [sys.executable, "-m", "api.keys", "local"],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NoKeyError(f"it took more than {SECONDS:.0f} s") from error
    if made.returncode != 0:
        raise NoKeyError(made.stderr.strip() or f"exit code {made.returncode}")
    return made.stdout.strip()


@contextmanager
def kept(key: str, file: Path) -> Iterator[None]:
    """Keep the key in a file that only this user can read, until the block ends.

    Raises:
        NoKeyError: The file cannot be written.
    """
    try:
        write_private(file, f"{key}\n")
    except PrivateFileError as error:
        raise NoKeyError(str(error)) from error
    try:
        yield
    finally:
        with suppress(OSError):  # worth nothing after the next start
            if (
                file.read_text(encoding="utf-8").strip() == key
            ):  # and not of a service that came after this one
                file.unlink()


def found_by_clients(url: str) -> Path | None:
    """Return the file in which clients of this user look for the key of the service at this URL.

    None if they look for none: the URL is not on loopback, or the user has no folder for it.
    """
    try:
        return local_key_file(url)
    except PrivateFileError:
        return None
