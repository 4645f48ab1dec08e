"""What learners read of sequences of embeddings, step by step."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from td3core.config import InnerConfig
from td3core.learners.objective import Objective

_FIRST_RANDOM_POSITION = 5  # the authors never draw an earlier one


class Batch(NamedTuple):
    """Which synthetic users each learner reads in a step, and at which positions it is supervised."""

    users: Int[Tensor, "learners batch"]
    positions: Int[Tensor, "learners batch supervised"] | None
    """Target positions t >= 1; None supervises every one."""
    lengths: Int[Tensor, "learners batch"] | None = None
    """Steps from here on are padding; None: all are real."""

    def weights(
        self, targets: Float[Tensor, "learners batch supervised d3"]
    ) -> Float[Tensor, "learners batch supervised"] | None:
        """Tell what is supervised, one, from padding, zero."""
        if self.lengths is None:
            return None
        positions = self.positions
        if positions is None:
            positions = torch.arange(1, targets.shape[2] + 1, device=targets.device)
        return (positions < self.lengths[..., None]).to(targets.dtype)


@final
@dataclass(frozen=True)
class BatchSampler:
    """How learners draw what they read in a step."""

    objective: Objective
    users: int
    """How many there are to read."""
    length: int
    """Steps of their sequences."""
    batch_users: int
    """Users a step."""
    supervision: Literal["all", "paper"] = "all"
    """`all`: what the objective draws; `paper`: the last position and a random one."""
    positions: int | None = None
    """With `all`, at most so many positions of a sequence; None: as many as the objective draws."""
    lengths: Int[Tensor, " users"] | None = None
    """Steps of each sequence that are not padding; None: all are real."""

    def draw(self, steps: int, *, learners: int, generator: torch.Generator) -> list[Batch]:
        """Draw the batches of consecutive steps: each learner goes through all users before one comes again."""
        if not steps:
            return []
        device, size = generator.device, self.batch_users
        rounds = -(-steps * size // self.users)
        order = torch.rand(learners, rounds, self.users, generator=generator, device=device).argsort(-1)
        drawn = order.flatten(1)[:, : steps * size].unflatten(1, (steps, size)).transpose(0, 1)
        if self.supervision == "all":
            supervised = self.objective.draw(
                tuple(drawn.shape),
                length=self.length,
                lengths=None if self.lengths is None else self.lengths[drawn],
                most=self.positions,
                generator=generator,
            )
            parts = (drawn, *([None] * steps if part is None else part for part in supervised))
            return [Batch(*batch) for batch in zip(*parts, strict=True)]
        first = min(_FIRST_RANDOM_POSITION, self.length - 1)
        random = torch.randint(
            first, max(first + 1, self.length - 1), (*drawn.shape, 1), generator=generator, device=device
        )
        last_and_random = torch.cat((random, torch.full_like(random, self.length - 1)), -1)
        return [Batch(*pair) for pair in zip(drawn, last_and_random, strict=True)]


def build_batch_sampler(
    config: InnerConfig, objective: Objective, *, users: int, length: int
) -> BatchSampler:
    """Build the sampler of learners that train on a summary of so many users and steps."""
    return BatchSampler(
        objective,
        users,
        length,
        config.batch_of(users),
        supervision=config.supervision,
        positions=config.positions,
    )
