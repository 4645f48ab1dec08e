"""What tests share lives in `tests/support`, and nowhere else."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def imported(source: str) -> Iterator[str]:
    """Every module that this source imports, or takes names from."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield f"{node.module}"


def of_pytest_alone(module: str) -> bool:
    """Whether pytest collects this module, or a part of the name is that of such a module."""
    package, *parts = module.split(".")
    return package == "tests" and any(part == "conftest" or part.startswith("test_") for part in parts)


@pytest.mark.parametrize("folder", ["tests", "benchmarks"])
def test_nothing_is_imported_from_tests_and_conftests(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    found = {
        f"{path.relative_to(ROOT)}: {module}"
        for path in files
        for module in imported(path.read_text())
        if of_pytest_alone(module)
    }
    assert found == set()


def test_every_way_to_import_is_seen() -> None:
    source = "import tests.a.test_b\nfrom tests.a.conftest import c\nfrom tests.a import test_d\nimport os"
    assert [module for module in imported(source) if of_pytest_alone(module)] == [
        "tests.a.test_b",
        "tests.a.conftest.c",
        "tests.a.conftest",
        "tests.a.test_d",
    ]
