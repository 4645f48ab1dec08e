"""Training the teacher, by batch size, and validating it."""

import time
from typing import Any

import torch

from benchmarks.gpu.clock import described, finish, timed
from benchmarks.gpu.problem import random_split
from benchmarks.gpu.report import Asked, Report
from td3core.config import LearnerConfig, TeacherConfig
from td3core.learners import build_learner
from td3core.ranking.task import validation_task
from td3core.training.log import LogTraining

_PER_USER = 145  # interactions, those of MovieLens-20M
_BATCHES = 40


def measure(report: Report, asked: Asked) -> None:
    """Random sequences of 27,000 items: a step's time does not depend on what they are, nor on the log's length."""
    torch.set_num_threads(1)
    device, cpu = torch.device(asked.device), torch.device("cpu")
    report.measure("machine", lambda: described(device))
    n_items = 50 if asked.small else 27_000
    sizes = (1 << 8,) if asked.small else (1 << 11, 1 << 13, 1 << 15, 1 << 17)
    report.measure("validation", lambda: _validation(60 if asked.small else 20_000, n_items, device))
    for size in sizes:
        report.measure(f"batches of {size}", lambda size=size: _speed(size, n_items, device), needs=2)
    report.measure(f"batches of {sizes[0]}, cpu", lambda: _speed(sizes[0], n_items, cpu), needs=10)


def _speed(batch_size: int, n_items: int, device: torch.device) -> dict[str, Any]:
    learner = build_learner(LearnerConfig())
    split = random_split(max(20, _BATCHES * batch_size // (_PER_USER - 3)), _PER_USER, n_items)
    recording = device.type == "cuda"  # in the first epoch
    training = LogTraining(
        learner,
        split.train,
        validation_task(split, max_length=learner.max_length, exclude_seen=False, device=device),
        config=TeacherConfig(batch_size=batch_size, max_epochs=1 + recording),
        dropout=LearnerConfig().dropout,
        seed=0,
        stage="teacher",
        device=device,
        dtype=torch.float32,
    )
    reports: list[tuple[int, float]] = []
    steps = training.run()
    for progress in steps:  # each tenth step reads the loss, so all before it are done
        if recording and not progress.scores:  # of the validation after an epoch
            continue
        reports.append((progress.step, time.perf_counter()))
        if len(reports) == _BATCHES // 10:
            break
    steps.close()
    finish(device)
    (first, begun), (last, ended) = reports[0], reports[-1]
    seconds = (ended - begun) / (last - first)
    return {"seconds_a_step": seconds, "interactions_per_second": batch_size / seconds}


def _validation(users: int, n_items: int, device: torch.device) -> dict[str, Any]:
    learner = build_learner(LearnerConfig())
    split = random_split(users, _PER_USER, n_items)
    task = validation_task(split, max_length=learner.max_length, exclude_seen=False, device=device)
    generator = torch.Generator(device).manual_seed(0)
    drawn = learner.initialise(1, generator=generator, dtype=torch.float32, device=device)
    items = torch.randn(n_items, learner.embedding_size, generator=generator, device=device)
    found = timed(lambda: task.evaluate(learner, drawn, items), device, repeats=2)
    return {"users": users, "users_per_second": users / found["median_seconds"], **found}
