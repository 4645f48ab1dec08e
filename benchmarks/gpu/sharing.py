"""Two runs on one device, a run that wants more memory than there is, and a parent that does not use the device."""

import subprocess
import sys
import time
from typing import Any

import torch

from benchmarks.gpu.clock import described
from benchmarks.gpu.problem import distillation
from benchmarks.gpu.report import Asked, Report
from worker.device import naming_memory_errors

_STEPS = 20
_TAKES_STEPS = """
import sys, time, torch
from benchmarks.gpu.problem import distillation
torch.set_num_threads(1)
small, device = sys.argv[1] == "small", torch.device(sys.argv[2])
items, candidates = (60, 16) if small else (12_101, 2_048)
run = iter(distillation(items, learners=1, device=device, small=small, candidates=candidates))
next(run)
print("ready", flush=True)
sys.stdin.readline()
started = time.perf_counter()
for _ in range(int(sys.argv[3])):
    next(run)
print(time.perf_counter() - started, flush=True)
"""


def measure(report: Report, asked: Asked) -> None:
    """First what leaves this process without a context on the device."""
    report.measure("one run", lambda: _side_by_side(1, asked))
    report.measure("two runs", lambda: _side_by_side(2, asked), needs=5)
    report.add("the parent used CUDA", torch.cuda.is_initialized())
    device = torch.device(asked.device)
    report.measure("machine", lambda: described(device))
    report.measure("more memory than there is", lambda: _too_much(device, small=asked.small))


def _side_by_side(runs: int, asked: Asked) -> dict[str, Any]:
    """Let so many processes take steps at the same time."""
    command = [
        sys.executable,
        "-c",
        _TAKES_STEPS,
        "small" if asked.small else "large",
        asked.device,
        str(_STEPS),
    ]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(runs)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise RuntimeError(f"a run ended with {process.wait()} before its first step")
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        told = [process.communicate(timeout=max(asked.left, 5))[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return {"seconds": [float(text) for text in told], "steps": _STEPS}


def _too_much(device: torch.device, *, small: bool) -> dict[str, Any]:
    """Allow a run a thousandth of the memory, then another one all of it."""
    if device.type != "cuda":
        return {"left_out": "only CUDA limits the memory of a device"}
    said = None
    torch.cuda.set_per_process_memory_fraction(0.001)
    try:
        with naming_memory_errors():
            next(iter(distillation(1_000_000, learners=64, device=device, small=small, candidates=None)))
    except MemoryError as error:
        said = str(error)
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1.0)
    started = time.perf_counter()
    next(iter(distillation(1_349, learners=1, device=device, small=small)))
    return {"refused": said, "seconds_of_the_next": time.perf_counter() - started}
