"""What a measurement ran on, and what else that machine was doing."""

import os
import platform
import subprocess
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
        "revision": _revision(),
        "threads": threads,
        "load_before": os.getloadavg()[0],
    }


def _revision() -> str | None:
    """Return the commit of the code, with `-dirty` if it has been changed since; None outside a repository."""
    command = ("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    try:
        told = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return told.stdout.strip()


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    for line in described.read_text().splitlines() if described.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
