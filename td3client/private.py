"""Files that their user alone may read: keys and profiles."""

import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from td3client.errors import InvalidSettingError, PrivateFileError

LARGEST = 1 << 20
"""Bytes of such a file; a larger one is none."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # a pipe in place of the file would be waited for


def config_folder() -> Path:
    """Return the folder of what the client keeps for this user; it need not exist.

    Raises:
        PrivateFileError: The user has no home.
    """
    given = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    try:
        return (given if given.is_absolute() else Path.home() / ".config") / "td3"
    except RuntimeError as error:
        raise PrivateFileError("~/.config/td3", "no home directory is known; set XDG_CONFIG_HOME") from error


def read_private(path: Path) -> str | None:
    """Return the text of a file, or None if there is none.

    Raises:
        PrivateFileError: It cannot be read, or others than this user can, or could have written it.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | _NO_WAIT), "rb") as file:
            _check(path, os.fstat(file.fileno()))
            return file.read(LARGEST).decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise PrivateFileError(path, "it is not text in UTF-8") from error
    except OSError as error:
        raise PrivateFileError(path, error.strerror or str(error)) from error


def write_private(path: Path, text: str) -> None:
    """Write a file that this user alone can read, in place of what is there; readers see the former or the new text.

    Raises:
        PrivateFileError: It cannot be written.
    """
    try:
        path.parent.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # of mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise PrivateFileError(path, error.strerror or str(error)) from error


def read_secret(file: str, what: str) -> str:
    """Return the key or secret in a file that the command line names; `-` is standard input.

    Raises:
        InvalidSettingError: It cannot be read, or there is none.
    """
    try:
        text = sys.stdin.read(LARGEST) if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettingError(f"the {what} cannot be read from {file}: {type(error).__name__}") from None
    if not (secret := text.strip()):
        raise InvalidSettingError(f"there is no {what} in {'standard input' if file == '-' else file}")
    return secret


def _check(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise PrivateFileError(path, "it is not a file")
    if os.name == "posix":
        if found.st_uid not in (os.geteuid(), 0):
            raise PrivateFileError(path, "it belongs to another user")
        if found.st_mode & _OTHERS:
            mode = stat.S_IMODE(found.st_mode)
            raise PrivateFileError(path, f"others can use it (mode {mode:04o}); expected mode 0600")
