"""The site is built from the documents, whole, and needs nothing from elsewhere."""

import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from mkdocs.exceptions import Abort

from guide.__main__ import ROOT, build_site
from guide.reference import WRITERS

pytestmark = pytest.mark.slow


class Loaded(HTMLParser):
    """Collects the addresses that a browser loads with a page, not those that a reader may follow."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and given.get("rel") in ("canonical", "next", "prev"):
            return
        name = "href" if tag == "link" else "src"
        if tag != "a" and (address := given.get(name)):
            self.addresses.append(address)


def test_every_document_has_a_page(site: Path) -> None:
    for source in (ROOT / "docs").glob("**/*.md"):
        path = source.relative_to(ROOT / "docs").with_suffix("")
        page = site / (path.parent if path.name == "index" else path) / "index.html"
        assert page.is_file(), source


def test_the_reference_stands_in_place_of_the_pages_of_the_repository(site: Path) -> None:
    committed = {path.stem for path in (ROOT / "docs/reference").glob("*.md")}
    assert committed == set(WRITERS)
    for name in committed:
        assert "This page lists" in (ROOT / f"docs/reference/{name}.md").read_text(encoding="utf-8")
        page = (site / "reference" / name / "index.html").read_text(encoding="utf-8")
        assert "This page lists" not in page
        assert "<h2" in page or "<table" in page


def test_pages_load_only_what_is_in_the_site(site: Path) -> None:
    pages = list(site.glob("**/*.html"))
    assert len(pages) > 50
    for page in pages:
        loaded = Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        assert len(loaded.addresses) >= 3
        for address in loaded.addresses:
            target = (page.parent / address.partition("?")[0].partition("#")[0]).resolve()
            assert target.is_file(), (page, address)
            assert target.is_relative_to(site), (page, address)


def test_style_sheets_load_nothing_from_elsewhere(site: Path) -> None:
    sheets = list(site.glob("**/*.css"))
    assert sheets
    for sheet in sheets:
        assert "url(http" not in sheet.read_text(encoding="utf-8"), sheet
        assert "@import" not in sheet.read_text(encoding="utf-8"), sheet


def test_what_leads_nowhere_fails_the_build(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    docs = shutil.copytree(ROOT / "docs", tmp_path / "docs")
    with (docs / "quickstart.md").open("a") as page:
        page.write("\n[one](nowhere.md) [two](reference/spec.md#nowhere) [three](/absolute.md)\n")
    (docs / "forgotten.md").write_text("# Not in the navigation\n")
    built = tmp_path / "site"
    built.mkdir()
    with pytest.raises(Abort):
        build_site(built, docs=docs)
    for words in ("'nowhere.md'", "'reference/spec.md#nowhere'", "'/absolute.md'", "forgotten.md"):
        assert words in caplog.text
    assert list(tmp_path.iterdir()) == [docs, built] or list(tmp_path.iterdir()) == [built, docs]
    assert list(built.iterdir()) == [], "what was there before stays"
