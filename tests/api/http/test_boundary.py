"""What a page of another site can do through the browser of an operator, which is nothing."""

import json
import socket
from collections import defaultdict
from contextlib import closing
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.errors import SettingsError
from api.http import body as bodies
from api.settings import Settings
from tests.support.interaction_logs import LOG
from tests.support.live_api import running_api
from tests.support.problems import problem
from tests.support.submissions import submit

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)

FORM = b"--x\r\nContent-Disposition: form-data; name=dataset\r\n\r\n" + LOG.encode() + b"\r\n--x--\r\n"
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost@evil", "", "[::1", "a b"],
)
@pytest.mark.parametrize("path", ["/", "/jobs", "/metrics", "/docs", "/openapi.json"])
def test_a_foreign_host_is_refused(api: httpx.Client, host: str, path: str) -> None:
    response = api.get(path, headers={"Host": host})
    if response.headers["content-type"].startswith("application/problem"):
        problem(response, 421, "host_not_allowed")
    else:
        assert response.status_code == 400  # the server itself refuses what is no header


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "LOCALHOST", "[::1]:8000", "127.0.0.1"])
def test_names_of_loopback_are_known(api: httpx.Client, host: str) -> None:
    assert api.get("/jobs", headers={"Host": host}).status_code == 200


def test_probes_ask_by_whatever_address_they_have(api: httpx.Client) -> None:
    for path in ("/healthz", "/readyz"):
        assert api.get(path, headers={"Host": "10.0.0.7:8000"}).status_code == 200


def test_the_hosts_that_are_set_are_all(settings: Settings) -> None:
    with running_api(settings.model_copy(update={"allowed_hosts": "TD3.example, [fd00::1]"})) as api:
        for host in ("td3.example", "td3.example:443", "[fd00::1]:8000"):
            assert api.get("/jobs", headers={"Host": host}).status_code == 200
        problem(api.get("/jobs"), 421, "host_not_allowed")
    with running_api(settings.model_copy(update={"allowed_hosts": "*"})) as api:
        assert api.get("/jobs", headers={"Host": "any.example"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://[bad"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_writes_from_other_sites_are_refused(
    api: httpx.Client, queued_job: str, headers: dict[str, str]
) -> None:
    problem(api.post("/jobs", content=FORM, headers={**MULTIPART, **headers}), 403, "cross_site")
    problem(api.post(f"/v1/jobs/{queued_job}/cancel", headers=headers), 403, "cross_site")
    assert api.get(f"/jobs/{queued_job}", headers=headers).json()["state"] == "queued"


def test_own_pages_may_write(api: httpx.Client) -> None:
    own = {"Origin": str(api.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert api.post("/jobs", content=FORM, headers={**MULTIPART, **own}).status_code == 202
    behind_a_gateway = {"Host": "localhost", "Origin": "https://localhost"}
    assert api.post("/jobs", content=FORM, headers={**MULTIPART, **behind_a_gateway}).is_success


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_json_is_sent_as_json(api: httpx.Client, finished_job: str, kind: str) -> None:
    body = json.dumps({"seeds": 2})
    path = f"/jobs/{finished_job}/evaluations"
    response = api.post(path, content=body, headers={"Content-Type": kind})
    assert problem(response, 415, "unsupported_media_type")["detail"].endswith("expected application/json.")
    assert response.headers["accept"] == "application/json"
    right = {"Content-Type": "application/json; charset=utf-8"}
    assert api.post(path, content=body, headers=right).status_code == 202
    assert api.post(path).status_code == 202


@pytest.mark.parametrize("path", ["/jobs/", "/v1/jobs/", "/metrics/"])
def test_nothing_redirects_to_what_the_host_header_says(api: httpx.Client, path: str) -> None:
    problem(api.get(path), 404, "not_found")
    for relative in ("/guide", "/docs/"):
        location = api.get(relative).headers["location"]
        assert location.startswith(".")


@pytest.mark.parametrize("path", ["/", "/jobs", "/nowhere", "/openapi.json", "/metrics", "/docs", "/guide/"])
def test_every_response_tells_browsers_what_not_to_do(api: httpx.Client, path: str) -> None:
    response = api.get(path)
    headers = response.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    if "json" in headers["content-type"]:
        assert headers["cache-control"] == "no-store"


def test_a_fault_of_ours_has_the_headers_too(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError

    monkeypatch.setattr("api.jobs.service.page", fail)
    with running_api(settings) as api:
        response = api.get("/jobs")
    problem(response, 500, "internal_error")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"


def test_head_is_answered_wherever_get_is(settings: Settings, queued_job: str) -> None:
    paths = create_app(settings).openapi()["paths"]
    ids = defaultdict(lambda: "unknown", job_id=queued_job)
    with running_api(settings) as api:
        for template in [path for path, operations in paths.items() if "get" in operations]:
            path = template.format_map(ids)
            whole, head = api.get(path), api.head(path)
            assert (head.status_code, head.content) == (whole.status_code, b""), path
            assert head.headers["content-type"] == whole.headers["content-type"]
        stream = api.head(f"/jobs/{queued_job}/events", headers={"Accept": "text/event-stream"})
        assert (stream.status_code, stream.content) == (200, b"")
        refused = api.put("/jobs")
        assert refused.headers["allow"] == "GET, HEAD, POST"


def test_a_body_ends_soon_after_its_closing_boundary(api: httpx.Client) -> None:
    assert api.post("/jobs", content=FORM + b"\r\n" * 100, headers=MULTIPART).status_code == 202
    more = FORM + bytes(2**20 + 2**21)
    refused = problem(api.post("/jobs", content=(FORM, more), headers=MULTIPART), 400, "bad_request")
    assert refused["detail"] == "The body goes on after its closing boundary."


@pytest.mark.parametrize("piece", [b"\r\n" + b"x" * 2**16, bytes(2**16)])
def test_a_body_that_never_ends_is_refused(api: httpx.Client, settings: Settings, piece: bytes) -> None:
    """Whatever it is made of, and though its client goes on sending after the refusal."""

    def endless() -> Any:
        yield FORM.removesuffix(b"--x--\r\n")
        while True:
            yield piece

    response = api.post("/jobs", content=endless(), headers=MULTIPART)
    assert problem(response, 413, "too_large")["detail"].startswith("The log is larger than ")
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize("silence", [True, False])
def test_a_body_that_comes_too_slowly_is_given_up(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch, silence: bool
) -> None:
    """Of a client that stops sending, and of one that sends a byte now and then."""
    monkeypatch.setattr(bodies, "SILENCE_SECONDS", 0.3)
    with closing(socket.create_connection((api.base_url.host, api.base_url.port or 80))) as client:
        head = "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n"
        client.sendall((head + "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n").encode())
        client.settimeout(0.05)
        answer = b""
        for _ in range(400):
            if not silence:
                client.sendall(b"A")
            try:
                answer += client.recv(2**16)
            except TimeoutError:
                continue
            if b'"too_slow"' in answer:
                break
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in answer.lower()


def test_more_uploads_than_allowed_are_told_to_come_again(settings: Settings) -> None:
    with (
        running_api(settings.model_copy(update={"max_uploads": 1})) as api,
        closing(socket.create_connection((api.base_url.host, api.base_url.port or 80))) as client,
    ):
        head = "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n"
        client.sendall((head + "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n").encode())
        folder = settings.uploads_dir
        while not (folder.exists() and list(folder.iterdir())):
            assert api.get("/healthz").status_code == 200
        assert int(problem_headers(submit(api))["retry-after"]) > 0
        client.close()
        while list(folder.iterdir()):
            assert api.get("/healthz").status_code == 200
        assert submit(api).status_code == 202


def problem_headers(response: httpx.Response) -> httpx.Headers:
    problem(response, 503, "busy")
    return response.headers


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.0.7", "td3.example"])
def test_an_address_that_others_reach_is_a_decision(settings: Settings, host: str) -> None:
    served = settings.model_copy(update={"host": host})
    with pytest.raises(SettingsError, match=r"the API has no access control.*TD3_INSECURE=1"):
        served.check_exposure()
    served.model_copy(update={"insecure": True}).check_exposure()
    assert served.hosts >= {"localhost", "127.0.0.1", "::1"}
    assert served.hosts.isdisjoint({"0.0.0.0", "::", ""})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "::1", "localhost"])
def test_loopback_needs_no_decision(settings: Settings, host: str) -> None:
    settings.model_copy(update={"host": host}).check_exposure()
