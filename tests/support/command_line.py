"""The command `td3` in a process of its own, and a job as a scripted service shows it."""

import subprocess
import sys
from typing import Any

RUN: dict[str, Any] = {
    "id": "job_1",
    "state": "running",
    "stage": "distilling",
    "progress": 0.5,
    "step": 7,
    "steps": 14,
    "losses": {"outer": 0.25},
    "scores": {"ndcg@10": 0.2},
    "eta_seconds": 65.2,
    "error": None,
    "summary": None,
    "dataset": {"name": "clicks.csv"},
    "created_at": "2026-01-02T03:04:05Z",
}


def td3(*arguments: str, url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "td3client", *arguments, "--url", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
