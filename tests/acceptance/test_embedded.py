"""`python -m embedded`: one command runs everything, and nothing stays behind, however it ends."""

import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.command_line import td3
from tests.support.environment import own_environment

pytestmark = pytest.mark.acceptance


@contextmanager
def serving(data_dir: Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command; whatever the test does, it is gone in the end."""
    own = {"TD3_DATA_DIR": str(data_dir), "TD3_PORT": "0", "XDG_CONFIG_HOME": str(data_dir / "config")}
    environment = own_environment() | own | settings
    command = [sys.executable, "-m", "embedded"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def url_of(process: subprocess.Popen[str]) -> str:
    """Wait until it says that it is ready, and where."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Ready at "):
            return line.split()[2].rstrip(";")
    raise AssertionError("it ended before it was ready")


def answer(url: str, key: str | None = None) -> int:
    """Status of a list of jobs, for a program that has this key."""
    headers = {} if key is None else {"Authorization": f"Bearer {key.strip()}"}
    return httpx.get(f"{url}/v1/jobs", headers=headers, trust_env=False).status_code


def rest_of(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.read()


def family_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 4, "broker, API, worker and keeper"
    return family


def test_nothing_survives_when_it_is_killed_and_the_same_folder_serves_again(tmp_path: Path) -> None:
    for _ in range(2):
        with serving(tmp_path) as process:
            assert httpx.get(f"{url_of(process)}/healthz", trust_env=False).status_code == 200
            family = family_of(process)
            process.kill()
            _, alive = psutil.wait_procs(family, timeout=10)
            assert alive == []


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly_when_it_is_asked_to(tmp_path: Path, sig: signal.Signals) -> None:
    with serving(tmp_path) as process:
        url_of(process)
        family = family_of(process)
        process.send_signal(sig)
        assert process.wait(60) == 0
        assert "Stopped." in rest_of(process)
        _, alive = psutil.wait_procs(family, timeout=1)
        assert alive == []


def test_it_says_that_the_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serving(tmp_path, TD3_PORT=str(port)) as process:
            assert process.wait(60) == 1
            assert f"cannot listen on 127.0.0.1 port {port}" in rest_of(process)


def test_two_cannot_share_a_folder(tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        url_of(first)
        with serving(tmp_path) as second:
            assert second.wait(60) == 1
            assert f"is in use by another service (process {first.pid})" in rest_of(second)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"TD3_PORT": "many"}, "TD3_PORT='many'"),
        (
            {"TD3_DATABASE_URL": "sqlite:////dev/null/td3.sqlite3"},
            "TD3_DATABASE_URL: '/dev/null' cannot be used",
        ),
    ],
)
def test_it_says_what_is_wrong_with_a_setting(tmp_path: Path, settings: dict[str, str], message: str) -> None:
    with serving(tmp_path, **settings) as process:
        assert process.wait(60) == 1
        assert message in rest_of(process)


def test_the_data_folder_is_made_where_it_was_asked_for(tmp_path: Path) -> None:
    with serving(tmp_path / "new" / "folder") as process:
        url_of(process)
    made = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert {"broker", "logs", "service.lock"} <= made


def test_only_its_user_is_let_in_and_td3_needs_to_be_told_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TD3_TOKEN", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    file, keys = tmp_path / "api-key", list[str]()
    for _ in range(2):  # killed the first time, which leaves its key behind
        with serving(tmp_path) as process:
            url = url_of(process)
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            keys.append(file.read_text())
            assert [answer(url), *(answer(url, key) for key in keys)] == [401] * len(keys) + [200]
            listed = td3("jobs", url=url)
            assert (listed.returncode, listed.stderr) == (0, "")
            stranger = td3("jobs", url=url.replace("127.0.0.1", "localhost"))
            assert (stranger.returncode, "has no API key" in stranger.stderr) == (1, True)
            with_key = {"Authorization": f"Bearer {keys[-1].strip()}"}
            me = httpx.get(f"{url}/v1/me", headers=with_key, trust_env=False).json()
            ended = f"{url}/v1/keys/{me['key_id']}"  # revoked: the next start makes it anew
            assert httpx.delete(ended, headers=with_key, trust_env=False).status_code == 204
            if len(keys) == 2:
                process.terminate()
                assert process.wait(60) == 0
    assert not file.exists()
    (machine,) = (tmp_path / "config" / "td3" / "local").iterdir()
    (killed,) = machine.iterdir()
    assert (killed.read_text(), stat.S_IMODE(killed.stat().st_mode)) == (keys[0], 0o600)


def test_it_is_open_to_everybody_only_if_that_is_wanted(tmp_path: Path) -> None:
    with serving(tmp_path, TD3_ACCESS_CONTROL="off") as process:
        assert answer(url_of(process)) == 200
        assert not (tmp_path / "api-key").exists()
    with serving(tmp_path, TD3_ACCESS_CONTROL="off", TD3_HOST="0.0.0.0") as process:
        assert process.wait(60) == 1
        assert "TD3_HOST='0.0.0.0': the API has no access control" in rest_of(process)
