"""A promise counts as long as the test that shows it is there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROMISES = [
    line
    for page in ("guarantees", "threat-model")
    for line in (ROOT / f"docs/explanation/{page}.md").read_text().splitlines()
    if line.startswith("| ") and line not in ("| promise | test |", "| --- | --- |")
]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`")


def defined_in(path: Path) -> set[str]:
    module = ast.parse(path.read_text())
    return {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


def test_every_promise_names_a_test() -> None:
    assert len(PROMISES) >= 40
    assert [promise for promise in PROMISES if not NAMED.search(promise)] == []


def test_every_test_that_is_named_exists() -> None:
    missing = [
        f"{path}::{name}"
        for promise in PROMISES
        for path, name in NAMED.findall(promise)
        if not (ROOT / path).exists() or (name and name not in defined_in(ROOT / path))
    ]
    assert missing == []
