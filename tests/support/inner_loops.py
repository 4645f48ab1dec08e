"""Inner loops in float64 over summaries of a few users, and what learners read in them."""

from typing import Literal

import torch

from td3core.config import Precision
from td3core.inner.batches import BatchSampler
from td3core.inner.optimizers import Adam
from td3core.inner.unroll import InnerLoop
from td3core.learners import Learner, NextItem, Objective
from td3core.schedules import Schedule

MU, ZETA, LR, DECAY = 5, 7, 5e-3, 5e-5


def inner_loop(
    learner: Learner, items: torch.Tensor, *, precision: Precision = "float32", recording: bool = False
) -> InnerLoop:
    return InnerLoop(
        learner=learner,
        items=items,
        optimizer=Adam(weight_decay=DECAY),
        schedule=Schedule(LR, "constant", 1),
        precision=precision,
        recording=recording,
    )


def batches(
    steps: int,
    generator: torch.Generator,
    *,
    objective: Objective | None = None,
    learners: int = 2,
    supervision: Literal["all", "paper"] = "all",
    positions: int | None = None,
):
    sampler = BatchSampler(
        objective or NextItem(), MU, ZETA, batch_users=3, supervision=supervision, positions=positions
    )
    return sampler.draw(steps, learners=learners, generator=generator)
