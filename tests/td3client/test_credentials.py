"""What proves who a client is goes to the service, and nowhere else: not to a storage, not into messages."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from td3client import Client, ClientError, InvalidHeaderError, ServiceProblem, UnexpectedAnswerError
from tests.support.command_line import td3
from tests.support.scripted_jobs import ARCHIVE, finished_job, job
from tests.support.scripted_service import Answer, ScriptedService

TOKEN = "td3_secret"


def sent(scripted: ScriptedService, **options: Any) -> dict[str, str]:
    scripted.script["GET /v1/jobs/job_1"] = [job()]
    with Client(scripted.url, **options) as client:
        client.job("job_1")
    return {name.lower(): value for name, value in scripted.requests[-1].headers.items()}


def test_the_key_is_that_of_the_program_or_of_the_environment(
    scripted: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "authorization" not in sent(scripted)
    assert sent(scripted, token=TOKEN)["authorization"] == "Bearer td3_secret"
    monkeypatch.setenv("TD3_TOKEN", "td3_other\n")
    assert sent(scripted)["authorization"] == "Bearer td3_other"
    assert sent(scripted, token=TOKEN)["authorization"] == "Bearer td3_secret"
    assert "authorization" not in sent(scripted, token="")


def test_further_headers_are_sent_and_come_first(scripted: ScriptedService) -> None:
    headers = sent(scripted, token=TOKEN, headers={"X-Gateway": "a b", "authorization": "Basic eDp5"})
    assert (headers["x-gateway"], headers["authorization"]) == ("a b", "Basic eDp5")


def test_a_storage_gets_neither_key_nor_headers(
    scripted: ScriptedService, storage: ScriptedService, tmp_path: Path
) -> None:
    scripted.script = {
        "GET /v1/jobs/job_1": [finished_job()],
        "GET /v1/jobs/job_1/summary": [Answer(b"", 307, {"Location": f"{storage.url}/stored"})],
    }
    storage.script = {"GET /stored": [Answer(ARCHIVE)]}
    with Client(scripted.url, token=TOKEN, headers={"X-Gateway": "secret"}) as client:
        client.download_summary("job_1", tmp_path)
    assert scripted.requests[-1].headers["Authorization"] == f"Bearer {TOKEN}"
    (redirected,) = storage.requests
    assert {"authorization", "x-gateway"}.isdisjoint(name.lower() for name in redirected.headers)


def test_other_redirects_are_not_followed(scripted: ScriptedService) -> None:
    scripted.script = {"GET /v1/jobs/job_1": [Answer(b"", 307, {"Location": "/elsewhere"})]}
    with (
        Client(scripted.url, token=TOKEN) as client,
        pytest.raises(UnexpectedAnswerError, match="redirects to /elsewhere"),
    ):
        client.job("job_1")
    assert [request.path for request in scripted.requests] == ["/v1/jobs/job_1"]


@pytest.mark.parametrize(
    "options",
    [
        {"token": "td3 secret"},
        {"token": "td3_secret\nX: y"},
        {"token": "td3_sécret"},
        {"headers": {"X-Key": "secret\r\nX: y"}},
        {"headers": {"X Key": "secret"}},
    ],
)
def test_what_cannot_be_sent_is_refused_without_being_shown(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidHeaderError, match="cannot be sent") as refused:
        Client(**options)
    assert "cret" not in str(refused.value)


def test_neither_errors_nor_representations_show_the_key(scripted: ScriptedService) -> None:
    refusal = {"detail": "The API key key_1 has expired.", "code": "invalid_key"}
    scripted.script["GET /v1/jobs/job_1"] = [
        Answer.json(refusal, status=401, content_type="application/problem+json")
    ]
    with Client(scripted.url, token=TOKEN) as client:
        with pytest.raises(ServiceProblem) as refused:
            client.job("job_1")
        shown = [repr(client), str(vars(client)), repr(refused.value), str(vars(refused.value))]
    with Client("http://127.0.0.1:1", token=TOKEN) as nobody, pytest.raises(ClientError) as unreachable:
        nobody.job("job_1")
    assert TOKEN not in " ".join([*shown, str(unreachable.value), repr(unreachable.value.__cause__)])


class WatchedContext(ssl.SSLContext):
    """A TLS context that tells whether it was used."""

    used = False

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        self.used = True
        return super().wrap_socket(*arguments, **options)


def test_certificates_are_checked_by_the_context_of_the_program(scripted: ScriptedService) -> None:
    context = WatchedContext(ssl.PROTOCOL_TLS_CLIENT)
    url = scripted.url.replace("http:", "https:")
    with Client(url, verify=context) as client, pytest.raises(ClientError):
        client.job("job_1")
    assert context.used


def test_the_command_line_takes_the_key_from_the_environment(
    scripted: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.script["GET /v1/jobs?limit=20"] = [Answer.json({"items": [], "next_cursor": None})]
    monkeypatch.setenv("TD3_TOKEN", TOKEN)
    assert td3("jobs", url=scripted.url).returncode == 0
    assert scripted.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"
    monkeypatch.setenv("TD3_TOKEN", "td3 secret")
    refused = td3("jobs", url=scripted.url)
    assert refused.returncode == 1
    assert "the API key cannot be sent" in refused.stderr
    assert "secret" not in refused.stderr
