"""Training a fresh learner on embedded sequences, the item factor frozen: a summary, or real users as they are."""

from dataclasses import replace
from itertools import islice

import torch
from jaxtyping import Float, Int
from torch import Tensor

from td3core.config import InnerConfig
from td3core.inner import Lesson, build_batch_sampler, build_inner_loop
from td3core.learners import Learner


class EmbeddedTraining:
    """A learner in a training of `steps` steps; `run` takes it some of them on.

    However many at a time: all batches are drawn at once, so that the users take turns over the whole training.
    """

    def __init__(
        self,
        embeddings: Float[Tensor, "mu zeta d3"],
        *,
        targets: Float[Tensor, "mu zeta d3"] | None = None,
        items: Float[Tensor, "items d3"],
        learner: Learner,
        inner: InnerConfig,
        steps: int,
        seed: int,
        lr_factor: float = 1.0,
        lengths: Int[Tensor, " mu"] | None = None,
    ) -> None:
        """Begin; `targets` are expected embeddings of what is to be predicted, None the inputs themselves."""
        self._lesson = Lesson(embeddings, targets)
        generator = torch.Generator(items.device).manual_seed(seed)
        self._loop = build_inner_loop(inner, learner=learner, items=items, steps=steps)
        self._loop.lr_factor = lr_factor
        self._cohort = self._loop.start(1, generator=generator)
        users, length = embeddings.shape[:2]
        sampler = build_batch_sampler(inner, learner.objective, users=users, length=length)
        if lengths is not None:
            sampler = replace(sampler, supervision="all", positions=None, lengths=lengths)
        self._batches = iter(sampler.draw(steps, learners=1, generator=generator))

    @property
    def parameters(self) -> Float[Tensor, "1 parameters"]:
        """The weights as they are now."""
        return self._cohort.parameters

    def run(self, steps: int) -> None:
        """Take so many of the steps."""
        for batch in islice(self._batches, steps):
            self._cohort = self._loop.step(self._cohort, self._lesson, batch)
