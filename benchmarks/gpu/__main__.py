"""`python -m benchmarks.gpu`: measure each part in a process of its own, and write what is known as soon as it is.

This process never loads torch, as the main process of a worker never uses CUDA: a part that crashes, hangs or poisons
its context ends alone, and the next one begins afresh. What cannot be imported is said, and the other parts go on.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.gpu.report import Asked, Report

SHARES = {
    "checks": 60,
    "step": 80,
    "whole": 110,
    "modes": 25,
    "deterministic": 20,
    "agreement": 60,
    "teacher": 50,
    "sharing": 40,
    "sums": 15,
}
"""Each part with its share of the time; what one leaves over is the next one's."""
ALONGSIDE = ("core", "core_whole")
"""What one thread of the CPU each does at the same time, from first to last."""
_GRACE = 10
"""Seconds after its time until a part is killed, which looks at the time between its measurements."""


def main() -> None:
    """Measure all parts, or with `--part` one, in this process."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda", help="what is measured beside the CPU (default: cuda)")
    parser.add_argument("--small", action="store_true", help="tiny problems: shows that all of it runs")
    parser.add_argument("--out", type=Path, default=Path("build/gpu"), help="folder of the JSON files")
    parser.add_argument("--seconds", type=float, default=390.0, help="when the last part ends")
    parts = (*SHARES, *ALONGSIDE)
    parser.add_argument("--only", action="append", choices=parts, help="this part; may be repeated")
    parser.add_argument("--part", choices=parts, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    asked = Asked(options.device, options.small, time.monotonic() + options.seconds)
    if options.part:
        with Report(options.out / f"{options.part}.json", asked) as report:
            _measure(options.part, report, asked)
        sys.exit(report.failed)
    sys.exit(_measure_all(options.only or list(parts), asked, options.out))


def _measure_all(parts: list[str], asked: Asked, out: Path) -> int:
    begun, whole = time.monotonic(), sum(SHARES.get(part, 0) for part in parts)
    allowed, done = asked.until - begun, 0
    beside = {part: _started(part, asked, out, allowed) for part in ALONGSIDE if part in parts}
    ended = dict[str, int | str]()
    for part in parts:
        if part in SHARES:
            done += SHARES[part]
            seconds = begun + allowed * done / whole - time.monotonic()
            ended[part] = _awaited(_started(part, asked, out, seconds), seconds)
            sys.stdout.write(f"{part}: {out / part}.json, {time.monotonic() - begun:.0f} s\n")
            sys.stdout.flush()
    ended |= {part: _awaited(process, asked.left) for part, process in beside.items()}
    failed = [f"{part} ({code})" for part, code in ended.items() if code]
    if "torch" in sys.modules:
        failed.append("the main process loaded torch")
    if failed:
        sys.stderr.write(f"Not all was measured: {', '.join(failed)}\n")
    return int(bool(failed))


def _started(part: str, asked: Asked, out: Path, seconds: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.gpu", "--part", part, "--device", asked.device]
    command += ["--out", str(out), "--seconds", str(seconds), *(["--small"] if asked.small else [])]
    return subprocess.Popen(command)


def _awaited(process: subprocess.Popen[bytes], seconds: float) -> int | str:
    try:
        return process.wait(max(seconds, 1) + _GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return f"was killed {_GRACE} s after its time"


def _measure(part: str, report: Report, asked: Asked) -> None:
    """Measure it; whatever is not installed is missed here alone."""
    match part:
        case "sums":
            from benchmarks.gpu.sums import measure
        case "step":
            from benchmarks.gpu.step import measure
        case "agreement":
            from benchmarks.gpu.agreement import measure
        case "teacher":
            from benchmarks.gpu.teacher import measure
        case "checks":
            from benchmarks.gpu.checks import measure
        case "modes":
            from benchmarks.gpu.modes import measure
        case "deterministic":
            from benchmarks.gpu.modes import measure_deterministic as measure
        case "whole":
            from benchmarks.gpu.whole import measure
        case "core":
            from benchmarks.gpu.core import measure
        case "core_whole":
            from benchmarks.gpu.core import measure_whole as measure
        case _:
            from benchmarks.gpu.sharing import measure
    measure(report, asked)


if __name__ == "__main__":
    main()
