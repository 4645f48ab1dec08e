"""What the service shows in a real browser that reaches nothing but this machine."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from starlette.types import ASGIApp, Receive, Scope, Send

from api.app import create_app
from api.db import Database
from api.migrate import upgrade
from api.settings import Settings
from guide.__main__ import build_site
from tests.support.browser import NoBrowserError, chromium
from tests.support.interaction_logs import LOG
from tests.support.live_api import running_app

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

PREFIX = "/behind/a/proxy"
expect.set_options(timeout=60_000)  # milliseconds; the machine may be busy with other tests


@dataclass
class Watched:
    """A page, and what went wrong on it."""

    page: Page
    requested: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.page.on("requestfailed", lambda request: self.faults.append(f"{request.failure}: {request.url}"))
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.page.on(
            "console", lambda message: self.faults.append(message.text) if message.type == "error" else None
        )
        self.page.on(
            "response",
            lambda response: (
                self.faults.append(f"{response.status}: {response.url}") if response.status >= 400 else None
            ),
        )

    def check(self) -> None:
        """Nothing failed, and nothing was asked of another host."""
        assert self.faults == []
        assert {
            urlsplit(url).hostname for url in self.requested if not url.startswith(("data:", "blob:"))
        } == {"127.0.0.1"}


class Prefix:
    """A proxy that passes a prefix on, as `root_path`, or takes it away."""

    def __init__(self, app: ASGIApp, *, strips: bool) -> None:
        self._app = app
        self._strips = strips

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            assert scope["path"].startswith(PREFIX), scope["path"]
            if self._strips:
                scope = {**scope, "path": scope["path"].removeprefix(PREFIX)}
            else:
                scope = {**scope, "root_path": PREFIX}
        await self._app(scope, receive, send)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        executable = chromium()
    except NoBrowserError as error:
        pytest.skip(f"no Chromium: {error}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            # No name is resolved, so whatever asks for another host fails and is seen.
            args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
        )
        yield browser
        browser.close()


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    page = browser.new_page()
    yield Watched(page)
    page.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "guide"
    build_site(folder)
    return folder


@pytest.fixture(params=["", "stripped", "passed on"], ids=["without-prefix", "stripped-prefix", "root-path"])
def url(
    request: pytest.FixtureRequest, sqlite_url: str, broker_url: str, tmp_path: Path, site: Path
) -> Iterator[str]:
    """Address of a running API, straight and behind two kinds of proxies."""
    database = Database(sqlite_url)
    upgrade(database.engine)
    database.close()
    settings = Settings(data_dir=tmp_path / "data", database_url=sqlite_url, broker_url=broker_url)
    app = create_app(settings, guide_folder=site)
    if request.param:
        app.add_middleware(Prefix, strips=request.param == "stripped")
    with running_app(app) as client:
        yield f"{str(client.base_url).rstrip('/')}{PREFIX if request.param else ''}"


def test_requests_can_be_sent_from_the_documentation(watched: Watched, url: str, tmp_path: Path) -> None:
    page = watched.page
    page.goto(f"{url}/docs")
    expect(page.locator(".opblock")).to_have_count(
        sum(len(methods) for methods in httpx.get(f"{url}/openapi.json").json()["paths"].values())
    )
    operation = page.locator(".opblock-post", has=page.locator('[data-path="/v1/jobs"]'))
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    log = tmp_path / "log.csv"
    log.write_text(LOG)
    operation.locator("input[type=file]").set_input_files(log)
    # Everything else is sent as the page fills it in: the spec with all its defaults.
    operation.get_by_role("button", name="Execute").click()
    expect(
        operation.locator(".live-responses-table td.response-col_status:not(.col_header)")
    ).to_contain_text("202")
    assert f"{url}/v1/jobs" in "\n".join(watched.requested)
    (job,) = httpx.get(f"{url}/v1/jobs").json()["items"]
    assert (job["state"], job["dataset"]["name"]) == ("queued", "log.csv")
    watched.check()


def test_the_guide_can_be_read_and_searched(watched: Watched, url: str) -> None:
    page = watched.page
    page.goto(f"{url}/guide")
    expect(page.get_by_role("heading", level=1)).to_contain_text("TD3 Service")
    expect(page.get_by_alt_text("The path of a job")).to_be_visible()
    # The search listens to keys once its index is there; what is typed before that is not heard.
    expect(page.locator(".md-search-result__meta")).to_have_text("Type to start searching")
    page.get_by_role("textbox", name="Search").press_sequentially("heartbeat")
    expect(page.locator(".md-search-result__link").first).to_be_visible()
    page.wait_for_load_state("networkidle")  # leaving a page aborts what it still loads
    page.goto(f"{url}/guide/reference/settings")
    expect(page.get_by_role("cell", name="TD3_MAX_ATTEMPTS")).to_be_visible()
    page.wait_for_load_state("networkidle")
    watched.check()


def test_the_browser_reaches_no_other_host(watched: Watched, url: str) -> None:
    """What the other tests rely on: a request to elsewhere is seen, and fails."""
    page = watched.page
    page.goto(f"{url}/openapi.json")
    with pytest.raises(Exception, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://elsewhere.example/")
    with pytest.raises(AssertionError):
        watched.check()
