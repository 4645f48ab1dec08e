"""An outer step, by items, learners and loss: seconds, memory, launches and the share of time in kernels."""

from typing import Any

import torch

from benchmarks.gpu.clock import described, finish, profiled, timed
from benchmarks.gpu.problem import LOSSES, distillation
from benchmarks.gpu.report import Asked, Report
from td3core.outer.distillation import Distillation
from td3core.outer.hypergradient import hypergradient


def measure(report: Report, asked: Asked) -> None:
    """Measure what says most first: uncompiled on the device, then on the CPU, then compiled and captured."""
    torch.set_num_threads(1)
    device, cpu = torch.device(asked.device), torch.device("cpu")
    report.measure("machine", lambda: described(device))
    items = (40, 60) if asked.small else (1_349, 12_101, 100_000, 1_000_000)
    learners = (1, 2) if asked.small else (1, 8, 64)

    def one(n: int, count: int, loss: str, at: torch.device, **more: Any) -> dict[str, Any]:
        candidates = 16 if asked.small else 2_048
        run = distillation(
            n, learners=count, device=at, small=asked.small, loss=loss, candidates=candidates, **more
        )
        return _measured(run, at)

    report.measure(
        "without waiting",
        lambda: _queued(distillation(items[1], learners=learners[0], device=device, small=asked.small)),
    )
    for n in items:
        for count in learners:
            report.measure(
                f"{n} items, {count} learners, default", lambda n=n, k=count: one(n, k, "default", device)
            )
    report.measure(
        f"{items[1]} items, {learners[1]} learners, captured",
        lambda: _captured(
            distillation(items[1], learners=learners[1], device=device, small=asked.small, candidates=None)
        ),
        needs=5,
    )
    for n in items:
        for count in learners[:2]:
            report.measure(f"{n} items, {count} learners, default, cpu", lambda n=n, k=count: one(n, k, "default", cpu),
                           needs=0 if asked.small else 5 * count)  # fmt: skip
    for loss in list(LOSSES)[1:]:
        for n in items[:3]:
            report.measure(
                f"{n} items, 1 learners, {loss}", lambda n=n, loss=loss: one(n, 1, loss, device), needs=2
            )
    if asked.small:
        report.add("compiled", {"left_out": "compiling takes longer than all else in small"})
        return
    for count in learners:
        report.measure(
            f"{items[1]} items, {count} learners, default, compiled",
            lambda k=count: one(items[1], k, "default", device, compiled=True),
            needs=40,
        )


def _measured(run: Distillation, device: torch.device) -> dict[str, Any]:
    steps = iter(run)
    found = timed(lambda: next(steps), device, repeats=3)
    learners = run.spec.inner.learners
    found["learners_per_second"] = learners / found["median_seconds"]
    return found | profiled(lambda: next(steps), device)


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


def _captured(run: Distillation) -> dict[str, Any]:
    """Time the differentiated steps forth and back over all items, queued one by one and as one graph of CUDA."""
    device = run.teacher.items.device
    if device.type != "cuda":
        return {"left_out": "only CUDA has graphs"}
    step, _ = run.draw_step()
    inputs = run.factors.queries().detach()  # any sequences of this shape
    lesson = run.lessons.lesson(inputs, step.catalogue).map(torch.Tensor.detach)
    adjoint = torch.randn_like(step.cohort.parameters)

    def both_ways() -> torch.Tensor:
        _, steps = run.loop.unroll(step.cohort, lesson, step.batches, step.catalogue)
        return run.loop.pull_back(steps, lesson, adjoint, step.catalogue).by_lesson.inputs

    expected = both_ways()
    eager = timed(both_ways, device, repeats=3)
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        both_ways()
    torch.cuda.current_stream(device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = both_ways()
    replayed = timed(graph.replay, device, repeats=10)
    return {"eager": eager, "captured": replayed, "largest_difference": float((found - expected).abs().max())}
