"""What every learner is: a pure function from parameters and embedded sequences to predictions.

A learner owns no tensors. Its weights are one row of a `(learners, parameters)` matrix, so that several learners
run at once in every operation and a differentiable optimizer is a handful of operations whatever the depth. The
item embedding is not among them: it is the shared factor V, or trained beside them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from td3core.learners.objective import Objective


@runtime_checkable
class Learner(Protocol):
    """A sequential recommender: it predicts steps of a sequence that it does not see.

    Its prediction o for a step scores item i there as `o . v_i`. A causal learner predicts a step from those before it,
    a masked one from all that it need not predict. So the item after a history is the step after its last.
    """

    @property
    def embedding_size(self) -> int:
        """Width d3 of the item embedding it reads and predicts in."""
        ...

    @property
    def layers(self) -> int:
        """Number of Transformer blocks or recurrent layers."""
        ...

    @property
    def max_length(self) -> int:
        """Longest history it can read; its sequences may be one step longer, if that step is only predicted."""
        ...

    @property
    def objective(self) -> Objective:
        """Which steps it is to predict in training."""
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
        sequences: Float[Tensor, "learners batch length d3"],
        positions: Int[Tensor, "#learners batch supervised"] | None = None,
        *,
        lengths: Int[Tensor, "#learners batch"] | None = None,
        dropout: "Dropout | None" = None,
    ) -> Float[Tensor, "learners batch supervised d3"]:
        """Predict the steps at `positions` (each t >= 1) of embedded sequences; None: every step but the first.

        Steps from `lengths` on are padding, which nothing real depends on; None: all are real.
        """
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

    def join(self, weights: Mapping[str, Tensor]) -> Float[Tensor, "learners parameters"]:
        """Return the flat vectors of named weights of shape (learners, *shape), as `split` views them."""
        return torch.cat([weights[name].flatten(1) for name in self.shapes], dim=1)

    def draw(
        self,
        learners: int,
        *,
        std: Callable[[str, tuple[int, ...]], float],
        generator: torch.Generator,
        dtype: torch.dtype,
        device: torch.device,
    ) -> Float[Tensor, "learners parameters"]:
        """Draw each weight from N(0, std(name, shape)^2); set biases to zero and scales to one."""
        parameters = torch.empty(learners, self.size, dtype=dtype, device=device)
        for name, weight in self.split(parameters).items():
            if name.endswith(".bias"):
                weight.zero_()
            elif name.endswith(".scale"):
                weight.fill_(1.0)
            else:
                weight.normal_(std=std(name, self.shapes[name]), generator=generator)
        return parameters


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


def steps_at(
    steps: Float[Tensor, "learners batch length d"],
    positions: Int[Tensor, "#learners batch supervised"] | None,
) -> Float[Tensor, "learners batch supervised d"]:
    """Return the steps at `positions`; None: every one but the first."""
    if positions is None:
        return steps[:, :, 1:]
    return steps.gather(2, positions[..., None].expand(len(steps), -1, -1, steps.shape[-1]))


def steps_before(
    steps: Float[Tensor, "learners batch length d"],
    positions: Int[Tensor, "#learners batch supervised"] | None,
) -> Float[Tensor, "learners batch supervised d"]:
    """Return the states from which a causal learner predicts `positions`, given those of all steps but the last."""
    return steps if positions is None else steps_at(steps, positions - 1)
