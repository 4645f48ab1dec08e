"""Proxies and certificates: those that are given, those of the environment, and none for this machine."""

import ssl
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from td3client import Client, InvalidSettingError, UnreachableError
from td3client.profiles import Profile, store_profile
from td3client.transport import Transports
from tests.support.scripted_jobs import ARCHIVE, finished_job, job
from tests.support.scripted_service import Answer, ScriptedService

TLS = Path(__file__).parents[1] / "fixtures" / "tls"
URL = "http://td3.example"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def proxy(storage: ScriptedService) -> ScriptedService:
    """A proxy that answers in place of the service, as it is asked with the whole URL."""
    storage.script[f"GET {URL}/v1/jobs/job_1"] = [job()]
    return storage


def asks(url: str | None = URL, **options: Any) -> None:
    with Client(url, **options) as client:
        client.job("job_1")


def test_a_proxy_is_that_of_the_program_of_the_profile_or_of_the_environment(
    proxy: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks(proxy=proxy.url)
    store_profile("work", Profile(URL, "td3_key", proxy=proxy.url))
    asks(None, profile="work")
    monkeypatch.setenv("HTTP_PROXY", proxy.url.removeprefix("http://"))
    asks()
    assert [request.path for request in proxy.requests] == [f"{URL}/v1/jobs/job_1"] * 3
    for refused in ({"NO_PROXY": "example"}, {"NO_PROXY": "*"}, {"HTTP_PROXY": ""}):
        with monkeypatch.context() as patch:
            for name, value in refused.items():
                patch.setenv(name, value)
            with pytest.raises(UnreachableError):
                asks()
    with pytest.raises(UnreachableError):
        asks(proxy="")
    assert len(proxy.requests) == 3


def test_this_machine_is_asked_without_the_proxy_of_the_environment(
    scripted: ScriptedService, proxy: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    scripted.script["GET /v1/jobs/job_1"] = [job()]
    asks(scripted.url)
    asks(scripted.url.replace("127.0.0.1", "localhost"))
    assert (len(scripted.requests), len(proxy.requests)) == (2, 0)


def test_a_storage_is_reached_as_its_own_address_asks_for(
    scripted: ScriptedService, proxy: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    scripted.script = {
        "GET /v1/jobs/job_1": [finished_job()],
        "GET /v1/jobs/job_1/summary": [Answer(b"", 307, {"Location": "http://storage.example/stored"})],
    }
    proxy.script = {"GET http://storage.example/stored": [Answer(ARCHIVE)]}
    with Client(scripted.url, token="td3_key") as client:
        client.download_summary("job_1", tmp_path)
    (request,) = proxy.requests
    assert "authorization" not in {name.lower() for name in request.headers}


@pytest.mark.parametrize(
    "given", ["proxy:3128", "ftp://u:secret@proxy", "http://", "http://u:secret@[::1", "secret"]
)
def test_what_is_no_proxy_is_refused_without_being_shown(given: str) -> None:
    with pytest.raises(
        InvalidSettingError, match="the proxy cannot be used; expected http://host:port"
    ) as refused:
        Client(URL, proxy=given)
    assert "secret" not in str(refused.value)


@pytest.fixture
def secured() -> Iterator[str]:
    """URL of a service that speaks TLS with a certificate that no known authority has signed."""
    with ScriptedService() as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / "localhost.pem", TLS / "localhost.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.script["GET /v1/jobs/job_1"] = [job()]
        server.handle_error = lambda request, client_address: None  # a client that did not trust it
        thread = threading.Thread(target=ThreadingHTTPServer.serve_forever, args=(server, 0.01))
        thread.start()
        yield server.url.replace("http://127.0.0.1", "https://localhost")
        server.shutdown()
        thread.join()


def test_a_certificate_is_checked_by_the_authorities_in_a_file(secured: str, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="certificate"):
        asks(secured)
    for authorities in (TLS / "localhost.pem", str(TLS / "localhost.pem")):
        with Client(secured, verify=authorities) as client:
            assert client.job("job_1")["id"] == "job_1"
    store_profile("work", Profile(secured, "td3_key", ca_file=str(TLS / "localhost.pem")))
    asks(None, profile="work")
    (tmp_path / "none.pem").write_text("nothing")
    for file in (tmp_path / "none.pem", tmp_path / "missing.pem"):
        with pytest.raises(InvalidSettingError, match=f"the certificates in {file} cannot be used"):
            Client(secured, verify=file)


def test_only_an_http_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "socks5://u:secret@proxy:1")
    with pytest.raises(InvalidSettingError, match="the proxy of the environment cannot be used") as refused:
        Transports().to(httpx.URL(URL))
    assert "secret" not in str(refused.value)
