"""Run a command that ends when the process that started it ends, even if that one gets SIGKILL.

Run as a script: `python -I -S tether.py PARENT_PID DEATH_SIGNAL OWNER COMMAND...`, where OWNER is `-` or
`UID:GID` and COMMAND begins with a path. It sets the parent-death signal of the kernel (prctl(2),
PR_SET_PDEATHSIG) and then replaces itself with COMMAND, which keeps the process id. It is a script and not a
`preexec_fn`, because Python code between fork and exec may deadlock if the parent has threads. Only Linux has this
signal; on other systems COMMAND is started without it.
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
    if os.getppid() != parent_pid:  # the parent ended before the signal was set
        sys.exit(PARENT_IS_GONE)


def become(owner: str) -> None:
    """Change from root to the user `UID:GID`. Must precede `tether`, because a change of user clears the signal."""
    if owner != "-":
        uid, gid = (int(part) for part in owner.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)


if __name__ == "__main__":
    become(sys.argv[3])
    tether(int(sys.argv[1]), int(sys.argv[2]))
    os.execv(sys.argv[4], sys.argv[4:])
