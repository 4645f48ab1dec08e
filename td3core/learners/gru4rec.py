"""GRU4Rec: a recurrent recommender.

Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", ICLR 2016, arXiv 1511.06939, in the form
of Tan et al., "Improved Recurrent Neural Networks for Session-based Recommendations", DLRS 2016, arXiv 1606.08117, and
RecBole: item embeddings go in, and the state comes back to their width to be scored against them.
"""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from td3core.learners.base import Dropout, ParameterLayout, steps_before
from td3core.learners.layers import dropped, glorot_std, gru, gru_shapes, linear
from td3core.learners.objective import NextItem


@final
class GRU4Rec:
    """Gated recurrent units over item embeddings."""

    def __init__(self, *, embedding_size: int, layers: int, inner_size: int, max_length: int) -> None:
        self.embedding_size = embedding_size
        self.layers = layers
        self.max_length = max_length
        self.objective = NextItem()
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(layers):
            shapes |= gru_shapes(str(layer), inner_size if layer else embedding_size, inner_size)
        self.layout = ParameterLayout(
            {**shapes, "out.weight": (inner_size, embedding_size), "out.bias": (embedding_size,)}
        )

    def initialise(
        self, learners: int, *, generator: torch.Generator, dtype: torch.dtype, device: torch.device
    ) -> Float[Tensor, "learners parameters"]:
        """Draw matrices as Glorot and Bengio do, biases zero."""
        return self.layout.draw(learners, std=glorot_std, generator=generator, dtype=dtype, device=device)

    def __call__(
        self,
        parameters: Float[Tensor, "learners parameters"],
        sequences: Float[Tensor, "learners batch length d3"],
        positions: Int[Tensor, "#learners batch supervised"] | None = None,
        *,
        lengths: Int[Tensor, "#learners batch"] | None = None,
        dropout: Dropout | None = None,
    ) -> Float[Tensor, "learners batch supervised d3"]:
        """Predict each step from those before it; padding lies behind all that is real."""
        weights = self.layout.split(parameters)
        x = sequences[:, :, :-1].transpose(1, 2)  # (learners, length, batch, d3)
        for layer in range(self.layers):
            x = gru(dropped(x, dropout), weights, str(layer))
        return linear(steps_before(x.transpose(1, 2), positions), weights, "out")
