"""The tests marked `gpu` that need nothing of the service."""

import subprocess
import sys

from benchmarks.gpu.report import Asked, Report

_FOLDER = "tests/td3core"
_FILES = (f"{_FOLDER}/test_devices.py", f"{_FOLDER}/training/test_recorded.py", "tests/worker/test_gpu.py")
_NOTHING_RAN = 5
"""What pytest ends with if no test was chosen, or all were deselected."""


def measure(report: Report, asked: Asked) -> None:
    """Run them in a process of their own, without the service's own fixtures."""
    report.measure("tests", lambda: _run(asked), needs=0 if asked.small else 20)


def _run(asked: Asked) -> dict[str, object]:
    chosen = "gpu and not gpu" if asked.device == "cpu" else "gpu"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rA",
        "--tb=short",
        "-p",
        "no:cacheprovider",
        "-m",
        chosen,
    ]
    command += ["-W", "default", f"--confcutdir={_FOLDER}", *_FILES]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=max(asked.left, 20))
    lines = done.stdout.splitlines()
    return {
        "ended_with": 0 if done.returncode == _NOTHING_RAN and asked.device == "cpu" else done.returncode,
        "summary": lines[-1] if lines else done.stderr,
        "failed": [line for line in lines if line.startswith(("FAILED", "ERROR"))],
        "output": done.stdout if done.returncode not in (0, _NOTHING_RAN) else None,
    }
