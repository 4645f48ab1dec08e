"""The pins cover what the project asks for, and name nothing but versions."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.]*)")


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_is_pinned_to_one_exact_version() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = [PIN.fullmatch(line) for line in lines]
    assert None not in pins, "a pin is name==version: no hosts, no paths, no local versions"
    names = [normalised(pin[1]) for pin in pins if pin]
    assert len(names) == len(set(names))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    missing = {normalised(re.split(r"[\[<>=!~ ;]", requirement)[0]) for requirement in wanted} - set(names)
    assert missing == set()
