"""An outer step, by items, learners and loss: seconds, memory, launches and the share of time in kernels."""

from typing import Any

import torch

from benchmarks.gpu.clock import described, finish, profiled, timed
from benchmarks.gpu.problem import LOSSES, distillation
from benchmarks.gpu.report import Asked, Report
from td3core.outer.distillation import Distillation
from td3core.outer.hypergradient import hypergradient


def measure(report: Report, asked: Asked) -> None:
    """Measure what says most first: recorded on the device, then operation by operation, the CPU, and compiled."""
    torch.set_num_threads(1)
    device, cpu = torch.device(asked.device), torch.device("cpu")
    report.measure("machine", lambda: described(device))
    items = (40, 60) if asked.small else (12_101, 100_000, 1_349, 1_000_000)
    learners = (1, 2) if asked.small else (1, 8, 64)
    candidates = 16 if asked.small else 2_048

    def one(n: int, count: int, how: str, at: torch.device = device, needs: float = 0.0, **more: Any) -> None:
        def measured() -> dict[str, Any]:
            run = distillation(n, learners=count, device=at, small=asked.small, candidates=candidates, **more)
            return _measured(run, at)

        report.measure(f"{n} items, {count} learners, {how}", measured, needs=0 if asked.small else needs)

    report.measure(
        "without waiting",
        lambda: _queued(distillation(items[0], learners=learners[0], device=device, small=asked.small)),
    )
    for n in items:
        for count in learners:
            one(n, count, "recorded", needs=2)
    for n in items[:2]:
        for count in learners:
            one(n, count, "one by one", needs=2, compilation="never")
    for n in items[:3]:
        one(n, learners[0], "one by one, cpu", cpu, needs=8, compilation="never")
    one(items[1], learners[1], "one by one, cpu", cpu, needs=40, compilation="never")
    for loss in list(LOSSES)[1:]:
        for n in items[:3]:
            one(n, learners[0], f"recorded, {loss}", needs=4, loss=loss)
    if asked.small:
        report.add("compiled", {"left_out": "compiling takes longer than all else in small"})
        return
    for count in learners:
        one(items[0], count, "compiled and recorded", needs=40, compilation="always")


def _measured(run: Distillation, device: torch.device) -> dict[str, Any]:
    steps = iter(run)
    found = timed(lambda: next(steps), device, repeats=1 if device.type == "cpu" else 5)
    learners = run.spec.inner.learners_on(device.type)
    found["learners_per_second"] = learners / found["median_seconds"]
    return found if device.type == "cpu" else found | profiled(lambda: next(steps), device)


def _queued(run: Distillation) -> dict[str, Any]:
    """Take a step during which, once it is drawn, torch fails where it would wait for the GPU."""
    device = run.teacher.items.device
    if device.type != "cuda":
        return {"left_out": "only CUDA tells what waits for it"}
    next(iter(run))  # what is set up at the first use may wait
    step, places = run.draw_step()
    finish(device)
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = hypergradient(run.factors, step, loop=run.loop, lessons=run.lessons, objective=run.objective)
        run.learners.put_back(places, found.cohort)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return {"waited": False}
