"""`python -m embedded` whose children are killed, as by the kernel when memory is short."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from embedded.process import ChildProcess, free_port
from td3client import Client
from tests.support.environment import own_environment
from tests.support.specs import SMALL_SPEC

pytestmark = pytest.mark.acceptance
KILLED = {"broker": "valkey", "api": " -m api", "worker": " -m worker", "keeper": " -m worker.keeper"}


def wait_until(happens: Callable[[], bool], *, within: float = 90.0) -> None:
    deadline = time.monotonic() + within
    while not happens():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def children_of(pid: int) -> dict[str, psutil.Process]:
    """The children of the service by their names, as their commands tell."""
    found: dict[str, psutil.Process] = {}
    for child in psutil.Process(pid).children():
        try:
            command = " ".join(child.cmdline())
        except psutil.ZombieProcess:  # killed, and not looked at yet
            continue
        for name, part in KILLED.items():
            if part in command and not (name == "worker" and KILLED["keeper"] in command):
                found[name] = child
    return found


def test_every_child_that_is_killed_is_started_again(small_log: Path, tmp_path: Path) -> None:
    port = free_port()
    environment = own_environment() | {
        "TD3_DATA_DIR": str(tmp_path / "var"),
        "TD3_PORT": str(port),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    service = ChildProcess(
        "service", [sys.executable, "-m", "embedded"], log=tmp_path / "service.log", env=environment
    )
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        service.check_alive()
        try:
            return httpx.get(f"{url}/readyz", timeout=5.0, trust_env=False).is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(lambda: "Ready at" in service.log_tail())
        for name in KILLED:
            killed = children_of(service.pid)[name]
            killed.kill()
            wait_until(lambda name=name, pid=killed.pid: pid_of(service.pid, name) not in (None, pid))
        wait_until(ready)
        with Client(url, token=(tmp_path / "var" / "api-key").read_text()) as client:
            *_, job = client.wait(client.submit(small_log, SMALL_SPEC)["id"], poll=0.1)
        assert job["state"] == "succeeded"
        told = (tmp_path / "service.log").read_text()
        assert [name for name in KILLED if f"{name} exited unexpectedly (signal SIGKILL)" in told] == [
            *KILLED
        ]
    finally:
        service.stop(grace=60)


def pid_of(service: int, name: str) -> int | None:
    """The process id of a child once it runs its own program."""
    child = children_of(service).get(name)
    return None if child is None else child.pid
