"""What a measurement ran on, and what else that machine was doing."""

import os
import platform
from pathlib import Path
from typing import Any

import psutil
import torch


def surroundings(threads: int) -> dict[str, Any]:
    """Return the machine and its load over the last minute, ready for JSON; take it before measuring."""
    return {
        "machine": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "torch": torch.__version__,
        "threads": threads,
        "load_before": os.getloadavg()[0],
    }


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    for line in described.read_text().splitlines() if described.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
