"""Resources of a worker: the queues that it can serve, its device, and the memory limit of a run."""

import functools
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from api.errors import SettingsError
from api.settings import Settings


def served_queues(settings: Settings) -> Sequence[str]:
    """Return the queues to take runs from."""
    if settings.worker_queues != "auto":
        return settings.worker_queues.split(",")
    return ["cpu", "gpu"] if has_gpu(settings.device) else ["cpu"]


def check_device(settings: Settings) -> None:
    """Check that the device exists, before runs are claimed that would all fail.

    Raises:
        SettingsError: The device is a GPU that torch does not find.
    """
    kind, _, number = settings.device.partition(":")
    if kind == "cuda" and not _torch_sees(int(number or 0)):
        raise SettingsError(f"TD3_DEVICE={settings.device!r}: torch finds no such GPU on this machine")


def has_gpu(device: str) -> bool:
    """Return whether runs on this device compute on a GPU."""
    if device != "auto":
        return device.startswith("cuda")
    if not any(Path("/dev").glob("nvidia[0-9]*")) and not Path("/dev/kfd").exists():
        return False
    return _torch_sees(0)


@functools.cache
def _torch_sees(gpu: int) -> bool:
    """Check with torch in another process: CUDA does not work after a fork, so the main process must not use it."""
    seen = f"torch.cuda.is_available() and torch.cuda.device_count() > {gpu}"
    asked = f"import sys, torch; sys.exit(not ({seen}))"
    return subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0


def limit_memory(settings: Settings) -> None:
    """Set the memory limit of this process, a pool child; exceeding it raises MemoryError."""
    if settings.run_memory_bytes is not None:
        limit = int(settings.run_memory_bytes)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
