"""Outer steps on a device, of sequences that are arrays, and a log of Beauty's size."""

from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import polars as pl
import torch
from torch import Tensor

from td3core.config import Compilation, InnerConfig, JobSpec, LearnerConfig, OuterConfig, SummaryConfig
from td3core.data.sequences import Sequences, Split, leave_last_out
from td3core.learners import build_learner
from td3core.outer.distillation import Distillation
from td3core.ranking.task import validation_task
from td3core.training.log import Trained

T = TypeVar("T")
LOSSES: dict[str, dict[str, Any]] = {
    "default": {},
    "paper": {"steps": 200, "window": 40, "supervision": "paper", "targets": "summary", "batch_users": 15},
}


def random_split(users: int, per_user: int, n_items: int) -> Split:
    """Return a split of random sequences, all of one length."""
    return leave_last_out(
        Sequences(
            items=np.random.default_rng(0).integers(0, n_items, users * per_user),
            offsets=np.arange(users + 1) * per_user,
            item_ids=pl.int_range(n_items, eager=True).cast(pl.String),
            user_ids=pl.int_range(users, eager=True).cast(pl.String),
        )
    )


def distillation(
    n_items: int,
    *,
    learners: int,
    device: torch.device,
    small: bool,
    loss: str = "default",
    compilation: Compilation = "auto",
    candidates: int | None = 2048,
    precision: str = "float32",
) -> Distillation:
    """Return a distillation that has outer steps without end, and no validation."""
    size = {"embedding_size": 8, "inner_size": 8, "max_length": 10} if small else {}
    inner = LOSSES[loss] | ({"steps": 4, "window": 2} if small else {})
    if small and device.type == "cpu":
        compilation = "never"  # which takes longer than all else
    spec = JobSpec(
        learner=LearnerConfig.model_validate(size),
        summary=SummaryConfig(users=4 if small else 60, length=10 if small else 50),
        inner=InnerConfig.model_validate(
            {
                **inner,
                "learners": learners,
                "pool_size": max(8, learners),
                "compile": compilation,
                "precision": precision,
            }
        ),
        outer=OuterConfig(steps=100_000, validate_every=100_000, candidates=candidates),
    )
    learner = build_learner(spec.learner)
    split = random_split(500, learner.max_length + 3, n_items)
    generator = torch.Generator().manual_seed(0)  # on the CPU, so that every device has the same
    items = 0.3 * torch.randn(n_items, learner.embedding_size, generator=generator)
    drawn = learner.initialise(1, generator=generator, dtype=items.dtype, device=items.device)
    return Distillation(
        spec,
        learner=learner,
        teacher=Trained(items.to(device), drawn.to(device), 0.0),
        train=split.train,
        task=validation_task(split, max_length=learner.max_length, exclude_seen=False, device=device),
    )


def moved(value: T, device: torch.device, dtype: torch.dtype) -> T:
    """Return nested tuples with their tensors on the device, those of real numbers in this precision."""
    if isinstance(value, Tensor):
        at = value.detach()
        return cast("T", at.to(device, dtype) if at.is_floating_point() else at.to(device))
    if isinstance(value, list | tuple):
        parts = [moved(part, device, dtype) for part in cast("tuple[Any, ...]", value)]
        return cast("T", type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts))
    return value


def write_log(path: Path, *, users: int, items: int, seed: int = 0) -> None:
    """Write a log in which half of all items follow from the one before, and all are popular or rare as in Zipf's law.

    Users have five interactions and more, nine on average, as those of Amazon Beauty.
    """
    rng = np.random.default_rng(seed)
    lengths = 5 + rng.geometric(0.2, users)
    weight = (1.0 + rng.permutation(items)) ** -0.7
    cumulative = np.cumsum(weight / weight.sum())

    def popular(n: int) -> np.ndarray:
        return np.minimum(np.searchsorted(cumulative, rng.random(n)), items - 1)

    successor, steps = popular(items), int(lengths.max())
    drawn = np.empty((users, steps), dtype=np.int64)
    drawn[:, 0] = popular(users)
    for step in range(1, steps):
        follows = rng.random(users) < 0.5
        drawn[:, step] = np.where(follows, successor[drawn[:, step - 1]], popular(users))
    user = np.repeat(np.arange(users), lengths)
    step = np.arange(len(user)) - np.repeat(lengths.cumsum() - lengths, lengths)
    pl.DataFrame(
        {"user_id": user, "item_id": drawn[user, step], "timestamp": step + 1_700_000_000}
    ).write_csv(path)
