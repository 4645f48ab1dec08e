"""The previous release's code, from the commit that the changelog names for it."""

import re
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RELEASED = re.compile(r"^## \[(?P<version>[0-9.]+)\].*\n+Commit: `?(?P<commit>[0-9a-f]{40})", re.MULTILINE)


def previous_release() -> tuple[str, str]:
    """Version and commit of the newest release in the changelog."""
    found = RELEASED.search((ROOT / "CHANGELOG.md").read_text())
    assert found, "CHANGELOG.md names no released commit"
    return found["version"], found["commit"]


def checkout(commit: str, folder: Path) -> Path:
    """Unpack the commit's tree; the test is skipped where this clone does not have it."""
    git = ["git", "-C", str(ROOT)]
    known = subprocess.run([*git, "cat-file", "-e", f"{commit}^{{commit}}"], capture_output=True, check=False)
    if known.returncode:
        pytest.skip(f"this clone is shallow, or no clone: it does not have the commit {commit}")
    archive = subprocess.run([*git, "archive", commit], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as tree:
        tree.extractall(folder, filter="data")
    return folder
