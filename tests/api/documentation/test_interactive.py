"""The page at `/docs` and what it loads."""

import re

import httpx
import pytest

from tests.support.problems import problem

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


def test_the_page_loads_its_own_files_by_relative_addresses(api: httpx.Client) -> None:
    page = api.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(addresses) == 5
    for address in addresses:
        assert re.fullmatch(r"(docs/)?[a-z.-]+", address), "relative, for any prefix"
        assert api.get(f"/{address}").is_success
    script = api.get("/docs/swagger-ui-bundle.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert len(script.content) > 1_000_000
    assert api.get("/docs/swagger-ui.css").headers["content-type"] == "text/css; charset=utf-8"


def test_the_page_may_load_nothing_from_elsewhere(api: httpx.Client) -> None:
    policy = api.get("/docs").headers["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["connect-src"] == "'self'"
    assert "http" not in policy


def test_only_what_the_page_needs_is_there(api: httpx.Client) -> None:
    for name in ("redoc.standalone.js", "../../errors.py", "%2e%2e/files.py", "nowhere"):
        problem(api.get(f"/docs/{name}"), 404, "not_found")
    assert api.get("/docs/", follow_redirects=True).url.path == "/docs"
