"""What every learner is: a pure function from parameters and embedded sequences to predictions.

A learner owns no tensors. Its weights are one row of a `(learners, parameters)` matrix, so that several learners
run at once in every operation and a differentiable optimizer is a handful of operations whatever the depth. The
item embedding is not among them: it is the shared factor V, or trained beside them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor


class Learner(Protocol):
    """A causal sequential recommender.

    The output o_t at step t, after the steps up to t were seen, scores item i for step t + 1 as `o_t . v_i`.
    """

    @property
    def embedding_size(self) -> int:
        """Width d3 of the item embedding it reads and predicts in."""
        ...

    @property
    def max_length(self) -> int:
        """Longest sequence it can read."""
        ...

    @property
    def layout(self) -> "ParameterLayout":
        """Names and shapes of its weights, in the order of the flat vector."""
        ...

    def initialise(
        self, learners: int, *, generator: torch.Generator, dtype: torch.dtype, device: torch.device
    ) -> Float[Tensor, "learners parameters"]:
        """Draw fresh weights."""
        ...

    def __call__(
        self,
        parameters: Float[Tensor, "learners parameters"],
        embeddings: Float[Tensor, "learners batch length d3"],
        dropout: "Dropout | None" = None,
    ) -> Float[Tensor, "learners batch length d3"]:
        """Read embedded sequences, padded on the right, and predict the next embedding at every step."""
        ...


@dataclass(frozen=True)
class ParameterLayout:
    """Where each weight lies in the flat vector."""

    shapes: Mapping[str, tuple[int, ...]]

    @property
    def size(self) -> int:
        """Number of parameters of one learner."""
        return sum(prod(shape) for shape in self.shapes.values())

    def split(self, parameters: Float[Tensor, "learners parameters"]) -> dict[str, Tensor]:
        """View the flat vectors as named weights of shape (learners, *shape)."""
        pieces = parameters.split([prod(shape) for shape in self.shapes.values()], dim=1)
        return {
            name: piece.unflatten(1, shape)
            for (name, shape), piece in zip(self.shapes.items(), pieces, strict=True)
        }


@dataclass(frozen=True)
class Dropout:
    """Inverted dropout from an explicit generator, for training on real logs."""

    rate: float
    generator: torch.Generator

    def __call__(self, x: Tensor) -> Tensor:
        if not self.rate:
            return x
        kept = torch.empty_like(x).bernoulli_(1 - self.rate, generator=self.generator)
        return x * kept / (1 - self.rate)
