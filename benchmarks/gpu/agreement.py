"""How far the device agrees with the CPU: the hypergradient in each precision, and the quality of a distillation."""

import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.clock import described
from benchmarks.gpu.problem import distillation, moved, write_log
from benchmarks.gpu.report import Asked, Report
from td3core.config import JobSpec
from td3core.factors import map_tensors
from td3core.inner import Labeller, build_inner_loop, build_lesson_maker
from td3core.outer.distillation import Distillation
from td3core.outer.hypergradient import OuterStep, hypergradient
from td3core.outer.objective import build_objective
from td3core.runs import DistillationRun

_SMALL: dict[str, Any] = {
    "learner": {"embedding_size": 8, "inner_size": 8, "max_length": 10},
    "teacher": {"members": 1, "max_epochs": 2},
    "summary": {"users": 4, "length": 10},
    "inner": {"steps": 6, "window": 3, "pool_size": 2},
    "outer": {"steps": 4, "validate_every": 2, "validation_learners": 1},
    "certificate": {"learners": 0},
}


def measure(report: Report, asked: Asked) -> None:
    """Gradients first, which take seconds."""
    torch.set_num_threads(4)
    device, cpu = torch.device(asked.device), torch.device("cpu")
    report.measure("machine", lambda: described(device))
    run = distillation(40 if asked.small else 1_349, learners=2, device=cpu, small=asked.small)
    step, _ = run.draw_step()
    exact = _gradient(run, step, cpu, torch.float64)
    for name, at, dtype, precision in (
        ("float64", device, torch.float64, "float32"),
        ("float32", device, torch.float32, "float32"),
        ("float32, cpu", cpu, torch.float32, "float32"),
        ("bfloat16", device, torch.float32, "bfloat16"),
    ):
        report.measure(
            f"hypergradient, {name}, against float64 on the CPU",
            lambda at=at, dtype=dtype, precision=precision: _apart(
                _gradient(run, step, at, dtype, precision), exact
            ),
        )
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.csv"
        users, items = (60, 40) if asked.small else (1_500, 800)
        write_log(log, users=users, items=items)
        for at in dict.fromkeys((device.type, "cpu")):
            report.measure(
                f"50 outer steps on {at}",
                lambda at=at: _quality(log, torch.device(at), small=asked.small),
                needs=0 if asked.small else 15,
            )


def _gradient(
    run: Distillation, step: OuterStep, device: torch.device, dtype: torch.dtype, precision: str = "float32"
) -> torch.Tensor:
    """Return the hypergradient by all factors, of the same step wherever it is worked out."""
    inner = run.spec.inner.model_copy(update={"precision": precision})
    learner, teacher = run.loop.learner, moved(run.teacher, device, dtype)
    found = hypergradient(
        map_tensors(run.factors, lambda factor: moved(factor, device, dtype)),
        moved(step, device, dtype),
        loop=build_inner_loop(inner, learner=learner, items=teacher.items, steps=inner.life),
        lessons=build_lesson_maker(inner.targets, Labeller(learner, teacher.parameters, teacher.items)),
        objective=build_objective(run.spec.outer, learner=learner, teacher=teacher),
    )
    return torch.cat([by.flatten() for by in found.by_factors.values()]).double().cpu()


def _apart(found: torch.Tensor, exact: torch.Tensor) -> dict[str, float]:
    return {
        "cosine": float(torch.cosine_similarity(found, exact, dim=0)),
        "relative_error": float((found - exact).norm() / exact.norm()),
    }


def _quality(log: Path, device: torch.device, *, small: bool) -> dict[str, Any]:
    spec = (
        _SMALL
        if small
        else {"teacher": {"members": 1}, "outer": {"steps": 50}, "certificate": {"learners": 0}}
    )
    run = DistillationRun(log, JobSpec.model_validate(spec), device=device)
    for _ in run:
        pass
    return run.metrics
