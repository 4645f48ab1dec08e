"""A pool child as the main process of its worker sees it."""

import errno
import os
import select
import signal
import time

from worker.memory import used_memory

NOTE_SECONDS = 1.0
"""How long after the reaping of a child its exit code may still be unknown."""

_reaped: dict[int, int | None] = {}
"""Exit code of the last child that was reaped, by its process id."""


def note_reaped(pid: int, exit_code: int | None) -> None:
    """Remember how a child has ended. The pool, which reaps it, calls this."""
    _reaped.clear()
    _reaped[pid] = exit_code


class Child:
    """A child that has not been reaped, by a descriptor that never means another process: pidfd_open(2)."""

    def __init__(self, pid: int) -> None:
        """Raises ProcessLookupError if it has been reaped, and OSError where the kernel has no such descriptors."""
        self.pid = pid
        if not hasattr(os, "pidfd_open"):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        self._descriptor = os.pidfd_open(pid)
        try:
            self._waited()
        except ChildProcessError:  # it has been reaped, and the number is another process's by now
            self.close()
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH)) from None

    def fileno(self) -> int:
        """The descriptor, which is readable once the child has ended."""
        return self._descriptor

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return bool(select.select([self._descriptor], [], [], 0)[0])

    def how_it_ended(self) -> str:
        """Say how it has ended, as far as is known."""
        code = self._exit_code()
        if code is None:
            return "ended"
        if code >= 0:
            return f"exited with status {code}"
        known = {int(one): one.name for one in signal.Signals}
        return f"was ended by signal {-code} ({known.get(-code, 'without a name')})"

    def _exit_code(self) -> int | None:
        """Return the exit code, negative for a signal, from the kernel or, if it was reaped, from the pool."""
        try:
            end = self._waited()
        except ChildProcessError:
            until = time.monotonic() + NOTE_SECONDS
            while self.pid not in _reaped and time.monotonic() < until:
                time.sleep(0.01)
            return _reaped.get(self.pid)
        if end is None:
            return None
        return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status

    def _waited(self) -> os.waitid_result | None:
        return os.waitid(os.P_PIDFD, self._descriptor, os.WEXITED | os.WNOHANG | os.WNOWAIT)

    def used_memory(self) -> int:
        """Return the bytes of memory and swap that it uses."""
        return used_memory(self.pid)

    def kill(self) -> None:
        """End it at once."""
        try:
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
        except ProcessLookupError:  # it has ended
            return

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)
