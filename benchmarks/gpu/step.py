"""An outer step, by items, learners and loss: seconds, memory, launches and the share of time in kernels."""

import gc
from typing import Any

import torch

from benchmarks.gpu.clock import described, finish, profiled, timed
from benchmarks.gpu.problem import LOSSES, distillation
from benchmarks.gpu.report import Asked, Report
from td3core.outer.distillation import Distillation
from td3core.outer.hypergradient import hypergradient


def measure(report: Report, asked: Asked) -> None:
    """Measure what says most first; `measure_on` is for the CPU."""
    torch.set_num_threads(1)
    device = torch.device(asked.device)
    items, learners = _sizes(small=asked.small)
    few, many = learners[0], learners[-1]

    def one(n: int, count: int, how: str, needs: float = 2.5, **more: Any) -> None:
        report.measure(
            f"{n} items, {count} learners, {how}",
            lambda: measured(n, count, asked, device, **more),
            needs=0 if asked.small else needs,
        )

    report.measure("machine", lambda: described(device))
    report.measure(
        "without waiting",
        lambda: _queued(distillation(items[0], learners=few, device=device, small=asked.small)),
    )
    for count in learners:
        one(items[0], count, "recorded", profiling=True)
    one(items[0], few, "one by one", needs=4, compilation="never", profiling=True)
    for n, count in ((items[0], many), (items[1], many), (items[2], few)):
        one(n, count, "one by one", needs=4, compilation="never")
    for loss in list(LOSSES)[1:]:
        one(items[0], few, f"recorded, {loss}", needs=4, loss=loss)
    for n in items[1:]:
        for count in learners:
            one(n, count, "recorded")
    if asked.small:
        report.add("compiled", {"left_out": "compiling takes longer than all else in small"})
        return
    one(items[0], many, "compiled and recorded", needs=40, compilation="always")


def measure_on(cpu: torch.device, report: Report, asked: Asked) -> None:
    """Measure what the device is compared with."""
    items, learners = _sizes(small=asked.small)
    for n, count in ((items[0], learners[0]), (items[2], learners[0]), (items[1], learners[1])):
        report.measure(
            f"{n} items, {count} learners",
            lambda n=n, k=count: measured(n, k, asked, cpu, compilation="never"),
        )


def _sizes(*, small: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return numbers of items and of learners."""
    return ((60, 80, 40), (1, 2)) if small else ((12_101, 100_000, 1_349, 1_000_000), (1, 8, 64))


def measured(
    n: int, learners: int, asked: Asked, device: torch.device, *, profiling: bool = False, **more: Any
) -> dict[str, Any]:
    """Measure the outer step of so many items and learners; profiling takes several times as long as that."""
    gc.collect()  # of what was measured before, so that its memory is not counted
    candidates = 16 if asked.small else 2_048
    run = distillation(n, learners=learners, device=device, small=asked.small, candidates=candidates, **more)
    steps = iter(run)
    found = timed(lambda: next(steps), device, repeats=1 if device.type == "cpu" else 5)
    found["learners_per_second"] = learners / found["median_seconds"]
    return found | (profiled(lambda: next(steps), device) if profiling else {})


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
