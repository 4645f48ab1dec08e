"""Seconds, peak memory and kernels of work on a device."""

import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

_WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
_LAUNCHES = (
    "cudaLaunchKernel",
    "cudaLaunchKernelExC",
    "cuLaunchKernel",
    "cuLaunchKernelEx",
    "cudaGraphLaunch",
)


def described(device: torch.device) -> dict[str, Any]:
    """Return what is measured on, ready for JSON."""
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": str(device),
        "threads": torch.get_num_threads(),
    }
    if device.type == "cuda":
        of = torch.cuda.get_device_properties(device)
        asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        told = subprocess.run(asked, capture_output=True, text=True, check=False)
        found |= {
            "name": of.name,
            "bytes": of.total_memory,
            "cuda": torch.version.cuda,
            "driver": told.stdout,
        }
    return found


def finish(device: torch.device) -> None:
    """Wait until the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(
    work: Callable[[], Any], device: torch.device, *, repeats: int, first: bool = True
) -> dict[str, Any]:
    """Return the seconds of each repetition and the peak of memory; the first one is apart."""
    beginning = _seconds(work, device) if first else None
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds = [_seconds(work, device) for _ in range(repeats)]
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    return {
        "first_seconds": beginning,
        "seconds": seconds,
        "median_seconds": statistics.median(seconds),
        "peak_bytes": peak,
    }


def _seconds(work: Callable[[], Any], device: torch.device) -> float:
    finish(device)
    started = time.perf_counter()
    work()
    finish(device)
    return time.perf_counter() - started


def profiled(work: Callable[[], Any], device: torch.device) -> dict[str, Any]:
    """Return launches, waits, and the share of time in which kernels ran; on a CPU only the operations.

    The profiler slows the work down, so the share is a lower bound.
    """
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as found:
        seconds = _seconds(work, device)
    events = list(found.events() or ())
    counted: dict[str, Any] = {"operations": sum(event.name.startswith("aten::") for event in events)}
    if on_gpu:
        kernels = [event for event in events if event.device_type.name == "CUDA"]
        busy = sum(event.time_range.elapsed_us() for event in kernels) / 1e6
        counted |= {
            "kernels": len(kernels),
            "launches": sum(event.name in _LAUNCHES for event in events),
            "waits": sum(event.name in _WAITS for event in events),
            "profiled_seconds": seconds,
            "busy_seconds": busy,
            "busy_share": busy / seconds,
        }
    return counted
