"""Learning rates that fall along a cosine.

Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, arXiv 1608.03983, without
restarts.
"""

import math
from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

_LOWEST_SHARE = 0.02


def cosine_decay(part: float) -> float:
    """Return the factor on the learning rate, from one to zero, when this part of a training is done."""
    return (1 + math.cos(math.pi * min(part, 1.0))) / 2


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Let the optimizer take its next steps at this rate."""
    for group in optimizer.param_groups:
        group["lr"] = lr


@final
@dataclass(frozen=True)
class Schedule:
    """The learning rate at each age of a learner."""

    lr: float
    shape: Literal["constant", "cosine"]
    lifetime: int
    """Steps over which `cosine` falls from `lr` to a fiftieth of it."""

    def at(self, ages: Int[Tensor, " learners"], dtype: torch.dtype) -> Float[Tensor, "learners 1"]:
        """Return each learner's rate for its next step."""
        if self.shape == "constant":
            return torch.full((len(ages), 1), self.lr, dtype=dtype, device=ages.device)
        part = (ages.to(dtype) / self.lifetime).clamp(max=1.0)
        share = _LOWEST_SHARE + (1 - _LOWEST_SHARE) * (1 + (math.pi * part).cos()) / 2
        return (self.lr * share)[:, None]
