"""What holds for the answer of every route, whatever it is about."""

import re
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Route

from api.app import create_app
from api.http.headers import HEADERS
from api.http.version import PREFIX
from api.settings import Settings
from tests.support.live_api import running_app

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def paths_of(app: FastAPI) -> list[str]:
    """Of all operations, with and without the version, and of all pages, with made-up ids."""
    documented = app.openapi()["paths"]
    pages = {route.path for route in app.routes if isinstance(route, Route)}
    templates = {*documented, *(path.removeprefix(PREFIX) for path in documented), *pages}
    return sorted({re.sub(r"\{[^}]*\}", "x_0", path) for path in templates})


@pytest.fixture
def served(settings: Settings) -> Iterator[tuple[httpx.Client, list[str]]]:
    app = create_app(settings)
    with running_app(app) as api:
        yield api, paths_of(app)


def test_it_tells_browsers_and_caches_what_not_to_do(served: tuple[httpx.Client, list[str]]) -> None:
    api, paths = served
    assert len(paths) > 30
    for path in paths:
        for method in METHODS:
            response = api.request(method, path)
            told = f"{method} {path}: {response.status_code}"
            assert response.status_code < 500 or response.headers["retry-after"], told
            assert response.headers.keys() >= {name.lower() for name in HEADERS}, told
            assert response.headers["x-content-type-options"] == "nosniff", told
            assert "frame-ancestors 'none'" in response.headers["content-security-policy"], told
            if "json" in response.headers.get("content-type", ""):
                assert response.headers["cache-control"] in ("no-store", "no-cache"), told
            if response.is_error:
                assert response.headers["content-type"] == "application/problem+json", told
            if response.status_code in (429, 503):
                assert int(response.headers["retry-after"]) > 0, told
            if response.status_code == 405:
                assert method not in response.headers["allow"].split(", "), told


def test_it_answers_head_as_it_answers_get(served: tuple[httpx.Client, list[str]]) -> None:
    api, paths = served
    for path in paths:
        whole, head = api.get(path), api.head(path)
        assert (head.status_code, head.content) == (whole.status_code, b""), path
        changing = {"date", "x-request-id", "content-length", "location"}
        assert head.headers.keys() - changing == whole.headers.keys() - changing, path


def test_what_is_down_says_when_to_come_again(settings: Settings) -> None:
    lost = settings.model_copy(update={"database_url": "sqlite:////nowhere/td3.sqlite3"})
    app = create_app(lost)
    with running_app(app) as api:
        for path in (path for path in paths_of(app) if path != "/metrics"):
            response = api.get(path)
            assert response.status_code < 500 or response.status_code == 503, f"{path}: {response.text}"
            if response.status_code == 503:
                assert int(response.headers["retry-after"]) > 0, path
        assert api.get("/v1/jobs").status_code == 503
