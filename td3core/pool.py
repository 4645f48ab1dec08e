"""Learners that live on across outer steps, each at its own age."""

import torch
from jaxtyping import Int
from torch import Tensor

from td3core.adam import AdamState
from td3core.unroll import Cohort, InnerLoop


class LearnerPool:
    """A fixed number of learners; one that has lived its steps is replaced by a fresh one."""

    def __init__(self, loop: InnerLoop, *, size: int, lifetime: int, generator: torch.Generator) -> None:
        self.loop = loop
        self.lifetime = lifetime
        self.generator = generator
        self.members = loop.start(size, generator=generator)
        self.left: Int[Tensor, size] = torch.randint(
            1, lifetime + 1, (size,), generator=generator, device=loop.items.device
        )
        """Steps that each has yet to live: drawn at random first, so that the ages spread."""

    def take(self, learners: int) -> tuple[Cohort, Int[Tensor, " learners"]]:
        """Draw distinct learners; return them with their places."""
        order = torch.randperm(len(self.left), generator=self.generator, device=self.left.device)
        places = order[:learners]
        state = self.members.optimizer
        return (
            Cohort(self.members.parameters[places], AdamState(*(part[places] for part in state))),
            places,
        )

    def put_back(self, places: Int[Tensor, " learners"], cohort: Cohort, steps: int) -> None:
        """Return learners that took some steps; those at their end are replaced."""
        self._store(places, cohort)
        self.left[places] -= steps
        dead = places[self.left[places] <= 0]
        if len(dead):
            self._store(dead, self.loop.start(len(dead), generator=self.generator))
            self.left[dead] = self.lifetime

    def _store(self, places: Int[Tensor, " learners"], cohort: Cohort) -> None:
        self.members.parameters[places] = cohort.parameters
        for mine, theirs in zip(self.members.optimizer, cohort.optimizer, strict=True):
            mine[places] = theirs
