"""Learners that live on across outer steps, each at its own age."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from td3core.inner import Cohort, OptimizerState


@dataclass(frozen=True)
class PoolState:
    """All members of a pool."""

    members: Cohort
    left: Int[Tensor, " learners"]
    """Steps that each has yet to live."""


class LearnerPool:
    """A fixed number of learners; one that has lived its steps is replaced by a fresh one."""

    def __init__(
        self,
        start: Callable[[int], Cohort],
        *,
        size: int,
        lifetime: int,
        generator: torch.Generator,
    ) -> None:
        self.start = start
        self.lifetime = lifetime
        self.generator = generator
        self.members = start(size)
        self.left: Int[Tensor, size] = torch.randint(
            1, lifetime + 1, (size,), generator=generator, device=generator.device
        )
        """Steps that each has yet to live: drawn at random first, so that the ages spread."""

    def take(self, learners: int) -> tuple[Cohort, Int[Tensor, " learners"]]:
        """Draw distinct learners; return them with their places."""
        order = torch.randperm(len(self.left), generator=self.generator, device=self.left.device)
        places = order[:learners]
        state = self.members.optimizer
        return (
            Cohort(
                self.members.parameters[places],
                OptimizerState(tuple(part[places] for part in state.moments), state.step[places]),
            ),
            places,
        )

    def put_back(self, places: Int[Tensor, " learners"], cohort: Cohort, steps: int) -> None:
        """Return learners that took some steps; those at their end are replaced."""
        self._store(places, cohort)
        self.left[places] -= steps
        dead = places[self.left[places] <= 0]
        if len(dead):
            self._store(dead, self.start(len(dead)))
            self.left[dead] = self.lifetime

    def state(self) -> PoolState:
        """Return all members and what is left to them; the generator is its owner's."""
        return PoolState(self.members, self.left)

    def restore(self, state: PoolState) -> None:
        """Let these members live on."""
        self.members, self.left = state.members, state.left

    def _store(self, places: Int[Tensor, " learners"], cohort: Cohort) -> None:
        self.members.parameters[places] = cohort.parameters
        self.members.optimizer.step[places] = cohort.optimizer.step
        for mine, theirs in zip(self.members.optimizer.moments, cohort.optimizer.moments, strict=True):
            mine[places] = theirs
