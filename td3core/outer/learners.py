"""Where the learners of an outer step come from, and how they get to the steps that are differentiated."""

from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from td3core.catalogue import Catalogue
from td3core.config import InnerConfig
from td3core.factors import Factors, expected_embeddings
from td3core.inner import BatchSampler, Cohort, InnerLoop, LessonMaker
from td3core.outer.pool import LearnerPool, Places, PoolState


@dataclass(frozen=True)
class InitialLearners:
    """Learners of age zero, as `inner.initial` says."""

    loop: InnerLoop
    trajectory: Float[Tensor, "epochs parameters"] | None
    """Of the teacher's training; None: every learner is fresh."""
    trained_share: float
    """About what part of the learners begins somewhere on the trajectory."""
    generator: torch.Generator

    def __call__(self, learners: int) -> Cohort:
        """Draw so many."""
        fresh = self.loop.start(learners, generator=self.generator)
        if self.trajectory is None or not self.trained_share:
            return fresh
        device = self.trajectory.device
        epochs = torch.randint(len(self.trajectory), (learners,), generator=self.generator, device=device)
        trained = torch.rand(learners, 1, generator=self.generator, device=device) < self.trained_share
        return self.loop.begin_from(torch.where(trained, self.trajectory[epochs], fresh.parameters))


@runtime_checkable
class LearnerSource(Protocol):
    """Gives learners to an outer step, and takes them back."""

    def take(self, factors: Factors, catalogue: Catalogue) -> tuple[Cohort, Places]:
        """Return learners whose next steps are differentiated, and where `put_back` is to put them."""
        ...

    def put_back(self, places: Places, cohort: Cohort) -> None:
        """Take back learners that have taken these steps."""
        ...

    def state(self) -> PoolState | None:
        """Return what lives across outer steps; None: nothing does."""
        ...

    def restore(self, state: PoolState | None) -> None:
        """Go on where another one of the same arguments was."""
        ...


@final
@dataclass(frozen=True)
class PooledLearners:
    """Learners that live on across outer steps."""

    pool: LearnerPool
    learners: int
    differentiated: int

    def take(self, factors: Factors, catalogue: Catalogue) -> tuple[Cohort, Places]:
        """Draw from the pool."""
        return self.pool.take(self.learners, steps=self.differentiated)

    def put_back(self, places: Places, cohort: Cohort) -> None:
        """Let them live on, or replace those at the end of their lives."""
        self.pool.put_back(places, cohort)

    def state(self) -> PoolState | None:
        """Return the pool's."""
        return self.pool.state()

    def restore(self, state: PoolState | None) -> None:
        """Go on with this pool."""
        if state is not None:
            self.pool.restore(state)


@final
@dataclass(frozen=True)
class WarmedUpLearners:
    """Learners of age zero, each time anew, that take steps which are not differentiated first."""

    initial: InitialLearners
    lessons: LessonMaker
    batches: BatchSampler
    learners: int
    most_steps: int
    """Undifferentiated steps."""
    random: bool
    """Whether the number of these steps is drawn, from zero on."""

    @torch.no_grad()
    def take(self, factors: Factors, catalogue: Catalogue) -> tuple[Cohort, Places]:
        """Start some, and let them take their steps."""
        loop, generator = self.initial.loop, self.initial.generator
        cohort = self.initial(self.learners)
        steps = self.most_steps
        if self.random:
            steps = int(torch.randint(steps + 1, (), generator=generator, device=generator.device))
        lesson = self.lessons.lesson(expected_embeddings(factors, loop.catalogue.items, catalogue), catalogue)
        for batch in self.batches.draw(steps, learners=self.learners, generator=generator):
            cohort = loop.step(cohort, lesson, batch, catalogue)
        nowhere = torch.arange(0, device=generator.device)
        return cohort, Places(nowhere, nowhere)

    def put_back(self, places: Places, cohort: Cohort) -> None:
        """Let them go."""

    def state(self) -> PoolState | None:
        """Nothing lives across outer steps."""
        return None

    def restore(self, state: PoolState | None) -> None:
        """There is nothing to restore."""


_TRAINED_SHARES = {"random": 0.0, "mixed": 0.5, "trajectory": 1.0}


def build_learner_source(
    config: InnerConfig,
    *,
    loop: InnerLoop,
    lessons: LessonMaker,
    batches: BatchSampler,
    trajectory: Float[Tensor, "epochs parameters"] | None,
    generator: torch.Generator,
) -> LearnerSource:
    """Build what `config.warm_up` names."""
    initial = InitialLearners(loop, trajectory, _TRAINED_SHARES[config.initial], generator)
    learners = config.learners_on(generator.device.type)
    if config.warm_up == "pool":
        pool = LearnerPool(initial, size=config.pool_size, lifetime=config.life, generator=generator)
        return PooledLearners(pool, learners, config.differentiated)
    return WarmedUpLearners(
        initial,
        lessons,
        batches,
        learners,
        most_steps=config.life - config.differentiated,
        random=config.warm_up == "rat",
    )
