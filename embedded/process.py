"""Child processes that end when the process that started them ends."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from embedded import tether
from embedded.errors import ChildDiedError
from embedded.rotation import rotate


class Owner(NamedTuple):
    """The user that a child runs as, if it is not the user of its parent."""

    uid: int
    gid: int


class ChildProcess:
    """A child process with its own session and log file; its command begins with a path.

    It gets `death_signal` when the *thread* that started it ends, so it must be started by a thread that lives long
    enough. It has its own session so that Ctrl-C in the terminal does not reach it: the parent decides the order in
    which children stop.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        owner: Owner | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        rotate(log)
        self._log_start = log.stat().st_size if log.exists() else 0
        run_as = f"{owner.uid}:{owner.gid}" if owner else "-"
        wrapper = [
            sys.executable,
            "-I",
            "-S",
            tether.__file__,
            str(os.getpid()),
            str(int(death_signal)),
            run_as,
        ]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*wrapper, *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal, or `None` while it is running."""
        return self._process.poll()

    def check_alive(self) -> None:
        """Raise ChildDiedError, with the last lines of the log, if the process has exited."""
        if (code := self.exit_code) is not None:
            raise ChildDiedError(self.name, code=code, log=self.log, tail=self.log_tail())

    def bound_log(self) -> None:
        """Rotate the log if it has become large.

        Raises:
            OSError: The files cannot be changed.
        """
        if rotate(self.log):
            self._log_start = 0

    def log_tail(self, lines: int = 25) -> str:
        """Return the last lines of the log that this process wrote, without those of earlier ones."""
        with self.log.open("rb") as output:
            output.seek(self._log_start)
            text = output.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it exits and return its exit code.

        Raises:
            subprocess.TimeoutExpired: It is still running after `timeout` seconds.
        """
        return self._process.wait(timeout)

    def stop(self, *, grace: float = 10.0, sig: signal.Signals = signal.SIGTERM) -> None:
        """Send it `sig`, and after `grace` seconds kill it and all processes that it started."""
        if self.exit_code is None:
            self._process.send_signal(sig)
            try:
                self._process.wait(grace)
            except subprocess.TimeoutExpired:
                self._kill_session()
        self._kill_session()

    def kill(self) -> None:
        """Send it SIGKILL, as the out-of-memory killer of the kernel does."""
        self._process.kill()
        self._process.wait()

    def _kill_session(self) -> None:
        """Kill what remains of the process group, whose id is the process id of the child."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self._process.wait()


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port that is free now; another process may still take it."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]
