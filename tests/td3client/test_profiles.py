"""Which service is used with which key, and what `td3 login` stores of it."""

import json
import os
import pty
import stat
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from td3client import Client, InvalidSettingError, PrivateFileError, UnknownProfileError
from td3client.cli import main
from td3client.connection import connection
from td3client.local import local_key_file
from td3client.private import write_private
from td3client.profiles import Profile, profiles_file, read_profiles, remove_profile, store_profile
from td3client.terminal import given_profile
from tests.support.scripted_jobs import job
from tests.support.scripted_service import Answer, ScriptedService
from tests.support.waiting import wait_until

KEY = "td3_secret"
ME = {
    "project": "proj_1",
    "key_id": "key_1",
    "scopes": ["jobs:read", "jobs:write"],
    "expires_at": "2026-04-15",
}
LOCAL = "http://127.0.0.1:8000"
NOTHING: Mapping[str, str] = {}


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        ({}, NOTHING, ("https://default.example", "of default")),
        ({}, {"TD3_PROFILE": "other"}, ("https://other.example", "of other")),
        ({}, {"TD3_PROFILE": "other", "TD3_TOKEN": "t"}, ("https://other.example", "of other")),
        ({}, {"TD3_TOKEN": "t"}, (LOCAL, "t")),
        ({}, {"TD3_URL": "https://td3.example/"}, ("https://td3.example", None)),
        ({}, {"TD3_URL": "https://td3.example", "TD3_PROFILE": "other"}, ("https://td3.example", None)),
        ({}, {"TD3_URL": "https://default.example", "TD3_TOKEN": "t"}, ("https://default.example", "t")),
        ({}, {"TD3_URL": LOCAL}, (LOCAL, "of this machine")),
        ({"url": LOCAL}, {"TD3_URL": "https://td3.example"}, (LOCAL, "of this machine")),
        ({"url": LOCAL}, {"TD3_TOKEN": "t", "TD3_PROFILE": "other"}, (LOCAL, "t")),
        ({"url": "https://other.example"}, NOTHING, ("https://other.example", None)),
        ({"profile": "other"}, {"TD3_URL": LOCAL, "TD3_TOKEN": "t"}, ("https://other.example", "of other")),
        ({"profile": "other", "token": "given"}, NOTHING, ("https://other.example", "given")),
        ({"url": LOCAL, "token": ""}, {"TD3_TOKEN": "t"}, (LOCAL, "")),
    ],
)
def test_the_first_that_names_a_service_decides_and_brings_its_key(
    given: dict[str, str],
    environment: Mapping[str, str],
    expected: tuple[str, str | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("default", "other"):
        store_profile(name, Profile(f"https://{name}.example", f"of {name}"))
    leave_local_key("of this machine")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = connection(given.get("url"), profile=given.get("profile"), token=given.get("token"))
    assert (found.url, found.token) == expected


def leave_local_key(key: str) -> None:
    file = local_key_file(LOCAL)
    assert file is not None
    write_private(file, key)


def test_without_profiles_it_is_this_machine() -> None:
    assert (connection().url, connection().token) == (LOCAL, None)
    leave_local_key("of this machine")
    assert connection().token == "of this machine"


def test_a_url_and_a_profile_are_one_too_many() -> None:
    with pytest.raises(InvalidSettingError, match="expected one of them"):
        Client(LOCAL, profile="other")


def test_a_profile_that_does_not_exist_is_told_with_those_that_do() -> None:
    with pytest.raises(UnknownProfileError, match=r"'other' is not in .*; there are none"):
        Client(profile="other")
    store_profile("mine", Profile(LOCAL, KEY))
    with pytest.raises(UnknownProfileError, match="expected one of mine"):
        remove_profile("other")


@pytest.mark.parametrize(
    "text", ["", "[]", '{"default": 1}', '{"default": {"url": "u", "token": 1}}', '{"a": {"url"']
)
def test_a_file_that_is_none_of_profiles_is_not_shown(text: str) -> None:
    write_private(profiles_file(), text.replace("1", f'"{KEY}'))
    with pytest.raises(PrivateFileError, match="an object for each profile") as refused:
        Client()
    assert KEY not in str(refused.value)
    assert refused.value.__cause__ is None


def test_profiles_that_others_can_read_are_refused() -> None:
    store_profile("default", Profile(LOCAL, KEY))
    assert stat.S_IMODE(profiles_file().stat().st_mode) == 0o600
    profiles_file().chmod(0o644)
    with pytest.raises(PrivateFileError, match="mode 0644"):
        Client()


def test_no_representation_has_the_key_or_the_proxy() -> None:
    profile = Profile("https://td3.example", KEY, proxy=f"http://u:{KEY}@proxy:1")
    store_profile("default", profile)
    with Client() as client:
        shown = [
            repr(profile),
            repr(connection()),
            repr(client),
            str(vars(client)),
            str(vars(client)["_transports"]),
        ]
    assert KEY not in " ".join(shown)


class Command:
    """`td3` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """Return the exit code and all that was printed."""
        self._monkeypatch.setattr(sys, "argv", ["td3", *arguments])
        given_profile.set(None)
        with pytest.raises(SystemExit) as ended:
            main()
        printed = self._capsys.readouterr()
        assert KEY not in printed.out + printed.err
        return int(ended.value.code or 0), printed.out + printed.err


@pytest.fixture
def td3(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    return str(file)


def test_login_checks_a_key_and_later_commands_use_it(
    scripted: ScriptedService, td3: Command, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.script = {
        "GET /v1/me": [Answer.json(ME)],
        "GET /v1/jobs?limit=20": [Answer.json({"items": [], "next_cursor": None})],
    }
    code, printed = td3("--profile", "work", "login", "--url", f"{scripted.url}/", "--key-file", key_file)
    assert code == 0, printed
    assert "Stored as the profile work" in printed
    assert read_profiles() == {"work": Profile(scripted.url, KEY)}
    store_profile("default", Profile("http://127.0.0.1:1", "td3_other"))

    assert td3("--profile", "work", "jobs")[0] == 0
    monkeypatch.setenv("TD3_PROFILE", "work")
    code, printed = td3("whoami")
    assert printed.splitlines() == [
        f"service  {scripted.url}",
        "project  proj_1",
        "key      key_1",
        "scopes   jobs:read, jobs:write",
        "expires  2026-04-15",
    ]
    assert {request.headers["Authorization"] for request in scripted.requests} == {f"Bearer {KEY}"}
    assert td3("profiles")[1].splitlines() == ["  default http://127.0.0.1:1", f"* work {scripted.url}"]

    assert td3("--profile", "work", "logout") == (0, "Removed the profile work\n")
    code, printed = td3("jobs")
    assert (code, "'work' is not in" in printed) == (1, True)
    assert list(read_profiles()) == ["default"]


def test_a_key_that_is_refused_is_not_stored(scripted: ScriptedService, td3: Command, key_file: str) -> None:
    refusal = {"detail": "The API key is not known to this service.", "code": "invalid_key"}
    scripted.script["GET /v1/me"] = [
        Answer.json(refusal, status=401, content_type="application/problem+json")
    ]
    code, printed = td3("login", "--url", scripted.url, "--key-file", key_file)
    assert (code, "not known to this service" in printed) == (1, True)
    assert not profiles_file().exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["login", "--url", "td3.example", "--key-file", "-"], "expected http:// or https://"),
        (["login", "--url", f"https://u:{KEY}@td3.example", "--key-file", "-"], "no user or password"),
        (["login", "--url", LOCAL, "--key-file", "/no/such/file"], "cannot be read from /no/such/file"),
        (["login", "--url", LOCAL, "--key-file", "/dev/null"], "there is no key in /dev/null"),
        (
            ["login", "--url", LOCAL, "--key-file", "FILE", "--ca-file", "/no/such/ca"],
            "/no/such/ca cannot be used",
        ),
        (
            ["login", "--url", LOCAL, "--key-file", "FILE", "--proxy", f"proxy:{KEY}"],
            "the proxy cannot be used",
        ),
        (["--profile", "a b", "login", "--url", LOCAL], "cannot be the name of a profile"),
        (["--profile", "a", "jobs", "--url", LOCAL], "expected one of them"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence(
    td3: Command, key_file: str, arguments: list[str], message: str
) -> None:
    code, printed = td3(*(key_file if argument == "FILE" else argument for argument in arguments))
    assert (code, message in printed) == (1, True), printed


def test_a_key_in_plain_http_is_warned_of(td3: Command, key_file: str) -> None:
    code, printed = td3(
        "login", "--url", "http://td3.invalid", "--key-file", key_file, "--proxy", "http://127.0.0.1:1"
    )
    assert (code, "plain http" in printed) == (1, True)


def test_the_key_is_asked_for_without_echo(scripted: ScriptedService) -> None:
    scripted.script["GET /v1/me"] = [Answer.json(ME)]
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "td3client", "login"]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""
    try:
        for prompt, answer in ((b"URL of the service", scripted.url), (b"API key", KEY)):
            while prompt not in shown:
                shown += os.read(terminal, 1024)
            if answer == KEY:  # what is typed before the echo is off is thrown away
                wait_until(lambda: not termios.tcgetattr(terminal)[3] & termios.ECHO)
            os.write(terminal, f"{answer}\n".encode())
        while chunk := read(terminal):
            shown += chunk
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    os.close(terminal)
    assert scripted.url.encode() in shown
    assert b"Stored as the profile default" in shown
    assert KEY.encode() not in shown
    assert read_profiles()["default"].token == KEY


def read(terminal: int) -> bytes:
    """What comes next; nothing once the other end is closed, which Linux tells by an error."""
    try:
        return os.read(terminal, 1024)
    except OSError:
        return b""


def test_the_key_is_taken_from_standard_input(scripted: ScriptedService) -> None:
    scripted.script["GET /v1/me"] = [Answer.json({**ME, "key_id": None, "expires_at": None})]
    command = [sys.executable, "-m", "td3client", "login", "--url", scripted.url, "--key-file", "-"]
    done = subprocess.run(command, input=f"{KEY}\n", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "it has not looked at the key" in done.stderr
    assert json.loads(profiles_file().read_text()) == {"default": {"url": scripted.url, "token": KEY}}


def test_neither_tracebacks_nor_logs_have_the_key(scripted: ScriptedService) -> None:
    """An error that nobody expected, while everything is logged."""
    scripted.script["GET /v1/jobs/job_1"] = [job()]
    program = (
        "import logging; logging.basicConfig(level=logging.DEBUG)\n"
        "from td3client import cli, client\n"
        "def parse(response, kind):\n"
        "    token = response.request.headers['authorization']; raise RuntimeError('boom')\n"
        "client.read_answer = parse\n"
        "cli.main()\n"
    )
    command = [sys.executable, "-c", program, "status", "job_1"]
    environment = {**os.environ, "TD3_URL": scripted.url, "TD3_TOKEN": KEY}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "boom" in done.stderr, "DEBUG" in done.stderr) == (1, True, True), done.stderr
    assert KEY not in done.stdout + done.stderr


def answered(scripted: ScriptedService, **options: Any) -> Mapping[str, str]:
    scripted.script["GET /v1/jobs/job_1"] = [job()]
    with Client(**options) as client:
        client.job("job_1")
    return scripted.requests[-1].headers


def test_a_program_names_a_profile(scripted: ScriptedService) -> None:
    store_profile("work", Profile(scripted.url, KEY))
    assert answered(scripted, profile="work")["Authorization"] == f"Bearer {KEY}"
    headers = {"Authorization": "Basic eDp5"}
    assert answered(scripted, profile="work", headers=headers)["Authorization"] == "Basic eDp5"
