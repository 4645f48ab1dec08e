"""Become a command that ends when the process that started it ends, even if that one is SIGKILLed.

Run as a script: `python -I -S tether.py PARENT_PID DEATH_SIGNAL OWNER COMMAND...`, where OWNER is `-` or
`UID:GID` and COMMAND begins with a path. It sets the kernel's parent-death signal (prctl(2),
PR_SET_PDEATHSIG), then replaces itself with COMMAND, so that the process id stays. A script rather than a
`preexec_fn`: Python code between fork and exec may deadlock when the parent has threads. Only Linux has that
signal; elsewhere COMMAND just starts.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PARENT_IS_GONE = 125


def tether(parent_pid: int, death_signal: int) -> None:
    """Ask the kernel to send `death_signal` to this process when its parent ends."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:  # it ended before the signal was set
        sys.exit(PARENT_IS_GONE)


def become(owner: str) -> None:
    """Give up root for the user `UID:GID`; must precede `tether`, as a change of user clears the signal."""
    if owner != "-":
        uid, gid = (int(part) for part in owner.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)


if __name__ == "__main__":
    become(sys.argv[3])
    tether(int(sys.argv[1]), int(sys.argv[2]))
    os.execv(sys.argv[4], sys.argv[4:])
