"""The tests marked `gpu` that need nothing of the service."""

import subprocess
import sys

from benchmarks.gpu.report import Asked, Report

_CORE = "tests/td3core"
_TESTS = {
    "core": (f"--confcutdir={_CORE}", f"{_CORE}/test_devices.py", f"{_CORE}/training/test_recorded.py"),
    "driver": ("--noconftest", "tests/worker/test_gpu.py"),
}
"""What pytest runs, and which fixtures it loads with it: those of `tests` and `tests/worker` start the service."""
_NOTHING_RAN = 5
"""What pytest ends with if no test was chosen, or all were deselected."""


def measure(report: Report, asked: Asked) -> None:
    """Run them in processes of their own, without the service's own fixtures."""
    for name, arguments in _TESTS.items():
        report.measure(
            name, lambda arguments=arguments: _run(arguments, asked), needs=0 if asked.small else 10
        )


def _run(arguments: tuple[str, ...], asked: Asked) -> dict[str, object]:
    chosen = "gpu and not gpu" if asked.device == "cpu" else "gpu"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-v",
        "-rs",
        "--tb=short",
        "-p",
        "no:cacheprovider",
        "-m",
        chosen,
    ]
    command += ["-W", "default", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output, _ = process.communicate(timeout=max(asked.left, 5))
        ended_with = process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()  # which tells how far it came
        ended_with = "killed after its time"
    nothing_failed = ended_with == 0 or (ended_with == _NOTHING_RAN and asked.device == "cpu")
    lines = output.splitlines()
    return {
        "ended_with": 0 if nothing_failed else ended_with,
        "summary": lines[-1] if lines else "",
        "failed": [line for line in lines if line.startswith(("FAILED", "ERROR"))],
        "output": None if nothing_failed else output,
    }
