"""Learners that live on across outer steps, each at its own age."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from td3core.inner import Cohort, OptimizerState


class Places(NamedTuple):
    """Where learners of an outer step come from."""

    taken: Int[Tensor, " learners"]
    """Their places, in their order."""
    ending: Int[Tensor, " ending"]
    """Those of them whose learners are at the end of their lives after this step."""


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

    def take(self, learners: int, *, steps: int) -> tuple[Cohort, Places]:
        """Draw distinct learners that are to take so many steps; return them with their places.

        On a GPU this waits for what it was given before, and `put_back`, which comes behind a long queue, does not.
        """
        order = torch.randperm(len(self.left), generator=self.generator, device=self.left.device)
        places = order[:learners]
        self.left[places] -= steps
        ending = places[self.left[places] <= 0]
        state = self.members.optimizer
        return (
            Cohort(
                self.members.parameters[places],
                OptimizerState(tuple(part[places] for part in state.moments), state.step[places]),
            ),
            Places(places, ending),
        )

    def put_back(self, places: Places, cohort: Cohort) -> None:
        """Return learners that took their steps; those at their end are replaced."""
        self._store(places.taken, cohort)
        if len(places.ending):
            self._store(places.ending, self.start(len(places.ending)))
            self.left.index_fill_(0, places.ending, self.lifetime)

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
