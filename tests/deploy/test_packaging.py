"""The pins cover what the project asks for, and name nothing but versions."""

import ast
import re
import sys
import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECTS = {
    ".": ("api", "worker", "embedded", "migrations"),
    "td3core": ("td3core",),
    "td3client": ("td3client",),
}
"""Each project's folder, and its packages."""
OURS = {"td3core", "td3-client"}
UNSEEN = {
    "psycopg",  # named in a database's URL
    "torch",  # of the service: through td3core, whose version decides
    "pydantic-core",  # is pydantic's own
}
NAMESPACES = {
    "opentelemetry": ["opentelemetry-api", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"],
}
PIN = re.compile(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.]*)")


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(project: str, *, dev: bool = False) -> set[str]:
    """Names of what a project requires."""
    table = tomllib.loads((ROOT / project / "pyproject.toml").read_text())["project"]
    wanted = [*table["dependencies"], *(table.get("optional-dependencies", {}).get("dev", []) if dev else [])]
    return {normalised(re.split(r"[\[<>=!~ ;]", requirement)[0]) for requirement in wanted}


def imports_of(package: Path) -> set[str]:
    """Names of the distributions, other than the package's own, that its modules import."""
    modules = {
        name.split(".")[0]
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imported(node)
    }
    homes = dict(metadata.packages_distributions()) | {"td3core": ["td3core"], "td3client": ["td3-client"]}
    foreign = modules - sys.stdlib_module_names - {name for names in PROJECTS.values() for name in names}
    foreign |= (modules & {"td3core", "td3client"}) - {package.name}
    return {normalised(home) for name in foreign for home in _home(name, homes)}


def _home(name: str, homes: Mapping[str, list[str]]) -> list[str]:
    """The distributions of a module; a namespace is shared by several."""
    return NAMESPACES.get(name) or homes[name][:1]


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module]
    return []


def test_every_dependency_is_pinned_to_one_exact_version() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = [PIN.fullmatch(line) for line in lines]
    assert None not in pins, "a pin is name==version: no hosts, no paths, no local versions"
    names = [normalised(pin[1]) for pin in pins if pin]
    assert len(names) == len(set(names))
    wanted = {name for project in PROJECTS for name in declared(project, dev=True)}
    assert wanted - set(names) == OURS


@pytest.mark.parametrize("project", PROJECTS)
def test_what_is_imported_is_declared_and_what_is_declared_is_imported(project: str) -> None:
    imported = {name for package in PROJECTS[project] for name in imports_of(ROOT / package)}
    assert declared(project) - UNSEEN == imported - UNSEEN
