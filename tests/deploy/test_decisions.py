"""Every decision has the same parts, a number of its own and a place in the index."""

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs/decisions"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.name != "index.md")
PARTS = ["## Context", "## Decision", "## Alternatives", "## Consequences"]
STATUS = re.compile(r"^Status: (accepted|superseded by \[.+\]\(\d{4}-[\w-]+\.md\))$", re.MULTILINE)


def test_decisions_are_numbered_without_gaps() -> None:
    assert len(PAGES) >= 60
    assert [int(page.name[:4]) for page in PAGES] == list(range(1, len(PAGES) + 1))


def test_every_decision_has_its_parts_and_a_status() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(page.name[:4])}. "), page.name
        assert STATUS.search(text), page.name
        assert [line for line in text.splitlines() if line.startswith("## ")] == PARTS, page.name


def test_the_index_lists_every_decision_once_by_its_title() -> None:
    index = (FOLDER / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^- \[(.+)\]\((\d{4}-.+\.md)\)$", index, re.MULTILINE)
    titles = {
        page.name: page.read_text(encoding="utf-8").split("\n", 1)[0].removeprefix("# ") for page in PAGES
    }
    assert sorted((name, title) for title, name in listed) == sorted(titles.items())
