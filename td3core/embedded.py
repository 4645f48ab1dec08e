"""Training a fresh learner on embedded sequences, the item factor frozen: a summary, or real users as they are."""

from itertools import islice

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from td3core.batches import latest_items
from td3core.config import InnerConfig
from td3core.learners import Learner
from td3core.sequences import Sequences
from td3core.unroll import build_inner_loop, draw_batches


class EmbeddedTraining:
    """A learner in a training of `steps` steps; `run` takes it some of them on.

    However many at a time: all batches are drawn at once, so that the users take turns over the whole training.
    """

    def __init__(
        self,
        embeddings: Float[Tensor, "mu zeta d3"],
        *,
        items: Float[Tensor, "items d3"],
        learner: Learner,
        inner: InnerConfig,
        steps: int,
        seed: int,
        lr_factor: float = 1.0,
        lengths: Int[Tensor, " mu"] | None = None,
    ) -> None:
        self.embeddings = embeddings
        generator = torch.Generator(items.device).manual_seed(seed)
        self._loop = build_inner_loop(inner, learner=learner, items=items, steps=steps)
        self._loop.lr_factor = lr_factor
        self._cohort = self._loop.start(1, generator=generator)
        users, length = embeddings.shape[:2]
        self._batches = iter(
            draw_batches(
                learner.objective,
                steps=steps,
                learners=1,
                users=users,
                batch_users=inner.batch_of(users),
                length=length,
                supervision=inner.supervision if lengths is None else "all",
                positions=inner.positions if lengths is None else None,
                lengths=lengths,
                generator=generator,
                device=embeddings.device,
            )
        )

    @property
    def parameters(self) -> Float[Tensor, "1 parameters"]:
        """The weights as they are now."""
        return self._cohort.parameters

    def run(self, steps: int) -> None:
        """Take so many of the steps."""
        for batch in islice(self._batches, steps):
            self._cohort = self._loop.step(self._cohort, self.embeddings, batch)


def embed_users(
    train: Sequences, users: NDArray[np.int64], items: Float[Tensor, "items d3"], *, length: int
) -> tuple[Float[Tensor, "mu zeta d3"], Int[Tensor, " mu"]]:
    """Return the last `length` items of real users, embedded and padded, and how many are real."""
    latest, lengths = latest_items(train, length=length, device=items.device)
    rows = torch.from_numpy(users).to(items.device)
    return items[latest[rows].clamp(max=items.shape[0] - 1)], lengths[rows]


def random_users(train: Sequences, n: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw `n` distinct users uniformly."""
    return generator.choice(train.n_users, n, replace=False)


def longest_users(train: Sequences, n: int) -> NDArray[np.int64]:
    """Return the `n` users with the longest sequences, the first of equals."""
    return np.argsort(-train.lengths, kind="stable")[:n]
