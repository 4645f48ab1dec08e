"""What runs in continuous integration, and before a commit, is what the project has."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def jobs() -> dict[str, Any]:
    return yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]


def commands() -> list[str]:
    return [step["run"] for job in jobs().values() for step in job["steps"] if "run" in step]


def test_every_workflow_passes_actionlint() -> None:
    actionlint = shutil.which("actionlint")
    if actionlint is None:
        pytest.skip("actionlint is not installed here; the workflow runs it too")
    done = subprocess.run([actionlint, *WORKFLOWS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_whole_test_is_run_on_every_python_from_the_oldest_that_is_allowed() -> None:
    versions = jobs()["test"]["strategy"]["matrix"]["python"]
    assert all(isinstance(version, str) for version in versions), "3.10 would be the number 3.1"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert versions[0] == project["requires-python"].removeprefix(">=")
    image = re.findall(r"^FROM python:(\d+\.\d+)-slim", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert image
    assert set(image) <= set(versions), "the image has a Python that is not tested"
    assert ".ci/run" in commands()
    assert "make test" in (ROOT / ".ci/run").read_text()


def test_the_clone_that_is_tested_has_the_previous_release() -> None:
    (checkout,) = (
        step for step in jobs()["test"]["steps"] if step.get("uses", "").startswith("actions/checkout@")
    )
    assert checkout["with"]["fetch-depth"] == 0


def test_every_target_that_is_made_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    made = [word for command in commands() for word in re.findall(r"\bmake (?:\w+=\S+ )*([a-z-]+)", command)]
    assert made
    assert set(made) <= targets


def test_local_hooks_run_tools_that_are_pinned() -> None:
    pins = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    tools = {"ruff": "ruff", "lint-imports": "import-linter"}
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    (local,) = (repository for repository in repositories if repository["repo"] == "local")
    for hook in local["hooks"]:
        program = hook["entry"].split()[0]
        assert program.startswith(".venv/bin/"), hook["id"]
        assert tools[Path(program).name] in pins
