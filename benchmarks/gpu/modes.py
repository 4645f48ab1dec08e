"""What TF32, bfloat16 and deterministic algorithms cost or bring, and whether two runs end with the same bytes."""

from typing import Any

import torch

from benchmarks.gpu.clock import described
from benchmarks.gpu.problem import distillation
from benchmarks.gpu.report import Asked, Report
from benchmarks.gpu.step import measured
from worker.device import prepare_device

_STEPS = 5


def measure(report: Report, asked: Asked) -> None:
    """Measure without and with TF32, and bfloat16."""
    device = prepare_device(asked.device, threads=1)
    report.measure("machine", lambda: described(device))
    _measure_as(report, asked, device, "default")
    _measure_as(report, asked, device, "bfloat16", precision="bfloat16")
    prepare_device(asked.device, threads=1, tf32=True)
    _measure_as(report, asked, device, "TF32")


def measure_deterministic(report: Report, asked: Asked) -> None:
    """Measure deterministic algorithms, which a process asks for before it uses the device."""
    device = prepare_device(asked.device, threads=1, deterministic=True)
    report.measure("machine", lambda: described(device))
    _measure_as(report, asked, device, "deterministic")


def _measure_as(report: Report, asked: Asked, device: torch.device, name: str, **more: Any) -> None:
    items, learners = (60, 2) if asked.small else (12_101, 64)
    report.measure(f"step, {name}", lambda: measured(items, learners, asked, device, **more))

    def run() -> list[torch.Tensor]:
        steps = distillation(items, learners=2, device=device, small=asked.small, **more)
        for _, _ in zip(range(_STEPS), steps, strict=False):
            pass
        return [factor.detach().cpu() for factor in steps.factors.tensors.values()]

    report.measure(
        f"same bytes of two runs, {name}",
        lambda: all(torch.equal(one, other) for one, other in zip(run(), run(), strict=True)),
    )
