"""The guide's files over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.settings import Settings
from tests.support.live_api import running_api
from tests.support.problems import problem

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "guide"
    (folder / "how to").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>Start</h1>")
    (folder / "how to" / "index.html").write_text("<h1>How to</h1>")
    (folder / "app.js").write_text("start();")
    (folder / "path.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    return folder


@pytest.fixture
def api(settings: Settings, folder: Path) -> Iterator[httpx.Client]:
    with running_api(settings, guide_folder=folder) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "media_type", "text"),
    [
        ("/guide/", "text/html; charset=utf-8", "<h1>Start</h1>"),
        ("/guide/index.html", "text/html; charset=utf-8", "<h1>Start</h1>"),
        ("/guide/how%20to/", "text/html; charset=utf-8", "<h1>How to</h1>"),
        ("/guide/app.js", "text/javascript; charset=utf-8", "start();"),
        ("/guide/path.svg", "image/svg+xml", "<svg/>"),
    ],
)
def test_files_have_their_types(api: httpx.Client, path: str, media_type: str, text: str) -> None:
    response = api.get(path)
    assert (response.status_code, response.text) == (200, text)
    assert response.headers["content-type"] == media_type
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in response.headers["content-security-policy"]
    head = api.head(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length", "etag"):
        assert head.headers[name] == response.headers[name]


def test_a_browser_does_not_fetch_twice(api: httpx.Client, folder: Path) -> None:
    first = api.get("/guide/app.js")
    assert first.headers["cache-control"] == "no-cache"
    again = {"If-None-Match": first.headers["etag"]}
    second = api.get("/guide/app.js", headers=again)
    assert (second.status_code, second.content) == (304, b"")
    (folder / "app.js").write_text("start(again);")
    assert api.get("/guide/app.js", headers=again).text == "start(again);"


@pytest.mark.parametrize(("path", "target"), [("/guide", "./guide/"), ("/guide/how%20to", "./how%20to/")])
def test_folders_end_in_a_slash(api: httpx.Client, path: str, target: str) -> None:
    response = api.get(path)
    assert response.status_code == 307
    assert response.headers["location"] == target, "relative, for any prefix"
    assert api.get(path, follow_redirects=True).is_success


@pytest.mark.parametrize(
    "path",
    [
        "/guide/nowhere",
        "/guide/nowhere/",
        "/guide/app.js/",
        "/guide/%2e%2e/secret.txt",
        "/guide/..%2fsecret.txt",
        "/guide/%2fetc%2fpasswd",
        "/guide/how%20to/%2e%2e/%2e%2e/secret.txt",
        "/guide/link.txt",
        "/guide/%00",
        f"/guide/{'x' * 300}",
    ],
)
def test_what_is_not_there_is_a_problem(api: httpx.Client, path: str) -> None:
    assert "secret" not in problem(api.get(path), 404, "not_found").get("title", "")


def test_other_methods_are_problems(api: httpx.Client) -> None:
    response = api.post("/guide/")
    problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET, HEAD"


def test_a_site_that_was_not_built_says_how(settings: Settings, tmp_path: Path) -> None:
    with running_api(settings, guide_folder=tmp_path / "nothing") as api:
        response = api.get("/guide/")
        assert "make docs" in problem(response, 404, "guide_not_built")["detail"]
