"""A fresh environment with one of our packages and only what it declares, linked from where the tests run.

Nothing is downloaded: the distributions that the package's requirements lead to are linked file by file from this
environment. Whatever the package imports without declaring it is not there.
"""

import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


class FreshEnvironment:
    """A virtual environment of its own."""

    def __init__(self, folder: Path, package: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.bin = folder / "bin"
        self.python = self.bin / "python"
        self.packages = next((folder / "lib").glob("python*/site-packages"))
        self.wheel = _build(package, folder / "wheels")
        install = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(self.python),
            "install",
            "--quiet",
            "--no-deps",
        ]
        subprocess.run([*install, "--no-index", "--no-compile", str(self.wheel)], check=True)
        self.own_bytes = sum(path.stat().st_size for path in self.packages.rglob("*") if path.is_file())
        (installed,) = metadata.distributions(path=[str(self.packages)])
        self.requirements = sorted(_closure(installed.requires or ()))
        self.linked_bytes = sum(self._link(metadata.distribution(name)) for name in self.requirements)

    def run(self, *arguments: str | Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
        """Run its Python, which knows nothing of this checkout."""
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        return subprocess.run(
            [self.python, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )

    def _link(self, distribution: metadata.Distribution) -> int:
        size = 0
        for file in distribution.files or ():
            source = Path(str(distribution.locate_file(file)))
            if file.parts[0] == ".." or not source.is_file():
                continue
            target = self.packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)
            if file.suffix != ".pyc":  # a cache, here to save the time of compiling
                size += source.stat().st_size
        return size


def _build(package: Path, folder: Path) -> Path:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(folder), str(package)], check=True)
    (wheel,) = folder.iterdir()
    return wheel


def _closure(requirements: list[str] | tuple[str, ...]) -> set[str]:
    """Names of all distributions that the requirements lead to on this machine."""
    found: dict[str, set[str]] = {}
    pending = list(_applicable(requirements, extras=set()))
    while pending:
        name, extras = pending.pop()
        if name in found and extras <= found[name]:
            continue
        found[name] = found.get(name, set()) | extras
        pending += _applicable(metadata.distribution(name).requires or (), extras=found[name])
    return set(found)


def _applicable(
    requirements: list[str] | tuple[str, ...], *, extras: set[str]
) -> Iterator[tuple[str, set[str]]]:
    for line in requirements:
        wanted = Requirement(line)
        if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield re.sub(r"[-_.]+", "-", wanted.name).lower(), set(wanted.extras)
