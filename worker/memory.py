"""Memory of the machine and of processes, as Linux tells it."""

import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
_FIRST_TO_END = "500"
_IN_MEMORY = ("RssAnon:", "RssShmem:", "VmSwap:")


def machine_memory() -> int | None:
    """Return the bytes of memory that this process can have: those of the machine, or of a control group if less.

    None where the system does not tell.
    """
    try:
        found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (ValueError, OSError):
        return None
    for limit in _control_group_limits():
        try:
            found.append(int(limit.read_text()))
        except (OSError, ValueError):  # there is none, or it is "max"
            continue
    return min(found)


def _control_group_limits() -> list[Path]:
    """Files with the memory limits of the control groups that this process is in, of either version."""
    files = [CGROUPS / "memory.max", CGROUPS / "memory" / "memory.limit_in_bytes"]
    try:
        group = Path("/proc/self/cgroup").read_text().rpartition("0::/")[2].strip()
    except OSError:
        return files
    here = CGROUPS / group
    return [*files, *(folder / "memory.max" for folder in (here, *here.parents) if CGROUPS in folder.parents)]


def used_memory(pid: int) -> int:
    """Return the bytes of memory and swap that a process uses, without mapped files; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    fields = (line.split() for line in status.splitlines() if line.startswith(_IN_MEMORY))
    return sum(int(kibibytes) * 1024 for _, kibibytes, _ in fields)


def be_first_to_end() -> None:
    """Have the kernel end this process before others when the machine runs out of memory."""
    try:
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_END)
    except OSError:  # not Linux, or it is higher already
        return
