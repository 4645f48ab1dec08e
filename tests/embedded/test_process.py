import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from embedded.errors import ChildDiedError
from embedded.process import ChildProcess

SLEEP = shutil.which("sleep") or "sleep"

PARENT = """
import sys, time
from pathlib import Path
from embedded.process import ChildProcess, Owner
child = ChildProcess("sleeper", [sys.argv[2], "1000"], log=Path(sys.argv[1]))
print(child.pid, flush=True)
time.sleep(1000)
"""

STUBBORN = """
import signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(subprocess.Popen(["sleep", "1000"]).pid, flush=True)
time.sleep(1000)
"""


@contextmanager
def parent_of_a_sleeper(log: Path, code: str) -> Iterator[int]:
    """Yield the process id of a parent's sleeping child; the parent is SIGKILLed in the end."""
    command = [sys.executable, "-c", code, str(log), SLEEP]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            child_pid = int(parent.stdout.readline())
            deadline = time.monotonic() + 5
            while psutil.Process(child_pid).cmdline() != [SLEEP, "1000"] and time.monotonic() < deadline:
                time.sleep(0.02)
            yield child_pid
        finally:
            parent.kill()


def gone(pid: int, *, within: float = 5.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def python(name: str, code: str, log: Path) -> ChildProcess:
    return ChildProcess(name, [sys.executable, "-c", code], log=log)


def wait_for_line(child: ChildProcess) -> str:
    while not child.log_tail():
        child.check_alive()
        time.sleep(0.02)
    return child.log_tail()


def test_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    with parent_of_a_sleeper(tmp_path / "log", PARENT) as child_pid:
        assert psutil.Process(child_pid).cmdline() == [SLEEP, "1000"]
    assert gone(child_pid)


def test_child_that_ignores_sigterm_is_killed_with_what_it_started(tmp_path: Path) -> None:
    child = python("stubborn", STUBBORN, tmp_path / "log")
    grandchild_pid = int(wait_for_line(child))
    child.stop(grace=0.2)
    assert child.exit_code == -signal.SIGKILL
    assert gone(grandchild_pid)


def test_child_that_heeds_sigterm_is_not_killed(tmp_path: Path) -> None:
    heeding = (
        "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\nprint(1, flush=True)\n"
    )
    child = python("heeding", heeding + "signal.pause()", tmp_path / "log")
    wait_for_line(child)
    child.stop()
    assert child.exit_code == 7


def test_stopping_a_child_that_has_ended_does_nothing(tmp_path: Path) -> None:
    child = python("brief", "", tmp_path / "log")
    assert child.wait(10) == 0
    child.stop()
    assert child.exit_code == 0


def test_death_is_reported_with_the_end_of_its_own_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "child.log"
    python("first", "print('from before')", log).wait(10)
    child = python("second", "print('about to fail'); raise SystemExit(3)", log)
    child.wait(10)
    with pytest.raises(ChildDiedError) as raised:
        child.check_alive()
    message = str(raised.value)
    assert "second exited unexpectedly (exit code 3)" in message
    assert "about to fail" in message
    assert "from before" not in message
    assert "from before" in log.read_text()


def test_death_by_signal_names_the_signal(tmp_path: Path) -> None:
    child = ChildProcess("sleeper", [SLEEP, "1000"], log=tmp_path / "log")
    child.kill()
    with pytest.raises(ChildDiedError, match="signal SIGKILL"):
        child.check_alive()


def test_command_that_is_not_there_is_a_death_with_a_reason(tmp_path: Path) -> None:
    child = ChildProcess("ghost", ["/no/such/command"], log=tmp_path / "log")
    child.wait(10)
    with pytest.raises(ChildDiedError, match="No such file or directory"):
        child.check_alive()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a child as another user")
def test_child_of_root_can_run_as_another_user_and_still_ends_with_its_parent(tmp_path: Path) -> None:
    code = PARENT.replace("log=", "owner=Owner(65534, 65534), log=")
    with parent_of_a_sleeper(tmp_path / "log", code) as child_pid:
        assert psutil.Process(child_pid).uids().effective == 65534
    assert gone(child_pid)
