"""What the wheels hold, and that a source distribution leads to the same wheel."""

import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.packages.environment import ROOT

PROJECTS = {
    ".": {"api", "worker", "embedded", "migrations"},
    "td3core": {"td3core"},
    "td3client": {"td3client"},
}
"""Each project's folder, and the packages that its wheel brings into an environment."""
OF_THE_PROJECT = {"pyproject.toml", "pyrightconfig.json", "README.md", "LICENSE", "PKG-INFO", ".gitignore"}


def build(project: Path, target: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    (built,) = folder.iterdir()
    return built


def files_of(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize(("project", "packages"), PROJECTS.items(), ids=PROJECTS)
def test_a_wheel_holds_its_packages_and_no_file_of_the_project(
    project: str, packages: set[str], tmp_path: Path
) -> None:
    files = files_of(build(ROOT / project, "wheel", tmp_path))
    code = {file for file in files if ".dist-info/" not in file}
    assert {file.split("/")[0] for file in code} == packages
    assert not {Path(file).name for file in code} & OF_THE_PROJECT
    sources = {path.relative_to(ROOT).as_posix() for name in packages for path in (ROOT / name).rglob("*.py")}
    assert sources <= code
    assert any(file.endswith("/licenses/LICENSE") for file in files)


@pytest.mark.parametrize("project", ["td3core", "td3client"])
def test_a_source_distribution_builds_the_same_wheel(project: str, tmp_path: Path) -> None:
    source = build(ROOT / project, "sdist", tmp_path / "source")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    rebuilt = build(unpacked, "wheel", tmp_path / "rebuilt")
    assert files_of(rebuilt) == files_of(build(ROOT / project, "wheel", tmp_path / "wheel"))
