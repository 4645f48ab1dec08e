"""`python -m embedded`: one command runs everything, and nothing stays behind, however it ends."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.environment import own_environment

pytestmark = pytest.mark.acceptance


@contextmanager
def serving(data_dir: Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command; whatever the test does, it is gone in the end."""
    environment = own_environment() | {"TD3_DATA_DIR": str(data_dir), "TD3_PORT": "0"} | settings
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
