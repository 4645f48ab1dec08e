"""The key of a service on this machine is found by its user, and goes to exactly the address that it is for."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from td3client import Client, PrivateFileError
from td3client.local import local_key, local_key_file
from td3client.private import write_private
from tests.support.command_line import td3
from tests.support.scripted_jobs import job
from tests.support.scripted_service import Answer, ScriptedService

KEY = "td3_local"


def leave_key(url: str) -> Path:
    file = local_key_file(url)
    assert file is not None
    write_private(file, f"{KEY}\n")
    return file


def authorization(scripted: ScriptedService, url: str | None = None, **options: Any) -> str | None:
    scripted.script["GET /v1/jobs/job_1"] = [job()]
    with Client(url or scripted.url, **options) as client:
        client.job("job_1")
    return scripted.requests[-1].headers.get("Authorization")


def test_the_key_is_found_where_nothing_else_is_said(
    scripted: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert authorization(scripted) is None
    file = leave_key(scripted.url)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert authorization(scripted) == f"Bearer {KEY}"
    assert authorization(scripted, f"{scripted.url}/") == f"Bearer {KEY}"
    assert authorization(scripted, token="td3_given") == "Bearer td3_given"
    assert authorization(scripted, token="") is None
    monkeypatch.setenv("TD3_TOKEN", "td3_environment")
    assert authorization(scripted) == "Bearer td3_environment"


def test_it_goes_to_no_other_address(scripted: ScriptedService, storage: ScriptedService) -> None:
    leave_key(scripted.url)
    assert authorization(storage) is None
    assert authorization(scripted, scripted.url.replace("127.0.0.1", "localhost")) is None
    assert local_key(scripted.url) is not None
    assert local_key(scripted.url.replace("127.0.0.1", "127.0.0.2")) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000",
        "https://127.0.0.1:8000",
        "http://10.0.0.1:8000",
        "http://0.0.0.0:8000",
        "http://u@127.0.0.1:8000",
        "http://127.0.0.1:8000/td3",
        "http://127.0.0.1.example:8000",
        "http://127.1:8000",
        "http://[::1",
        "http://127.0.0.1:port",
        "",
    ],
)
def test_only_a_plain_address_of_loopback_has_one(url: str) -> None:
    assert local_key_file(url) is None
    assert local_key(url) is None


def test_addresses_have_files_of_their_own() -> None:
    urls = [
        "http://127.0.0.1:8000",
        "http://127.0.0.1:8001",
        "http://127.0.0.1",
        "http://[::1]:8000",
        "http://127.0.0.2:8000",
    ]
    assert len({local_key_file(url) for url in urls}) == len(urls)


def test_a_redirect_does_not_take_it_along(scripted: ScriptedService, storage: ScriptedService) -> None:
    leave_key(scripted.url)
    scripted.script["GET /v1/jobs?limit=20"] = [Answer(b"", 307, {"Location": f"{storage.url}/v1/jobs"})]
    refused = td3("jobs", url=scripted.url)
    assert (refused.returncode, KEY in refused.stderr + refused.stdout) == (1, False)
    assert storage.requests == []


def test_a_file_that_others_can_use_is_refused_without_being_shown(scripted: ScriptedService) -> None:
    file = leave_key(scripted.url)
    for mode in (0o640, 0o604, 0o620):
        file.chmod(mode)
        with pytest.raises(PrivateFileError, match=f"mode {mode:04o}.*expected mode 0600") as refused:
            Client(scripted.url)
        assert str(file) in str(refused.value)
        assert KEY not in str(refused.value)
    listed = td3("jobs", url=scripted.url)
    assert (listed.returncode, listed.stderr.startswith("Error: the file")) == (1, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_is_refused(scripted: ScriptedService) -> None:
    os.chown(leave_key(scripted.url), 12345, 12345)
    with pytest.raises(PrivateFileError, match="belongs to another user"):
        Client(scripted.url)


def test_what_is_no_file_is_refused_at_once(scripted: ScriptedService) -> None:
    file = leave_key(scripted.url)
    file.unlink()
    os.mkfifo(file, 0o600)
    with pytest.raises(PrivateFileError, match="not a file"):
        Client(scripted.url)
    file.unlink()
    file.write_bytes(b"\xff")
    file.chmod(0o600)
    with pytest.raises(PrivateFileError, match="not text"):
        Client(scripted.url)
