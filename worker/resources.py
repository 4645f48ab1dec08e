"""What a worker has for its runs: the queues that it can serve, and how much memory each may take."""

import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from api.errors import SettingsError
from api.settings import Settings


def served_queues(settings: Settings) -> Sequence[str]:
    """The queues to take runs from."""
    if settings.worker_queues != "auto":
        return settings.worker_queues.split(",")
    return ["cpu", "gpu"] if _has_gpu(settings.device) else ["cpu"]


def check_device(settings: Settings) -> None:
    """See that the device is there, before runs that need it are claimed and fail one after the other.

    Raises:
        SettingsError: It is a GPU that torch does not see.
    """
    kind, _, number = settings.device.partition(":")
    if kind == "cuda" and not _torch_sees(int(number or 0)):
        raise SettingsError(f"TD3_DEVICE={settings.device!r}: torch sees no such GPU on this machine")


def _has_gpu(device: str) -> bool:
    if device != "auto":
        return device.startswith("cuda")
    if not any(Path("/dev").glob("nvidia[0-9]*")) and not Path("/dev/kfd").exists():
        return False
    return _torch_sees(0)


def _torch_sees(gpu: int) -> bool:
    """Ask torch in a process of its own: the worker's parent must not touch CUDA, which does not survive a fork."""
    seen = f"torch.cuda.is_available() and torch.cuda.device_count() > {gpu}"
    asked = f"import sys, torch; sys.exit(not ({seen}))"
    return subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0


def limit_memory(settings: Settings) -> None:
    """Let this process, a pool child, allocate no more than a run may; what exceeds it is a MemoryError there."""
    if settings.run_memory_bytes is not None:
        limit = int(settings.run_memory_bytes)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
