"""NARM: a recurrent recommender that attends to its own past states.

Li et al., "Neural Attentive Session-based Recommendation", CIKM 2017, arXiv 1711.04725. For every step t at once, with
the paper's names: states h_1 .. h_t, global part c^g_t = h_t, local part c^l_t = sum_{j <= t} alpha_tj h_j with
alpha_tj = v^T sigmoid(A_1 h_t + A_2 h_j), and the prediction B [c^g_t; c^l_t].
"""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from td3core.learners.base import Dropout, ParameterLayout, steps_before
from td3core.learners.layers import dropped, glorot_std, gru, gru_shapes, linear
from td3core.learners.objective import NextItem


@final
class NARM:
    """Gated recurrent units whose last state is joined by an attentive sum of those so far."""

    def __init__(self, *, embedding_size: int, layers: int, inner_size: int, max_length: int) -> None:
        self.embedding_size = embedding_size
        self.layers = layers
        self.max_length = max_length
        self.objective = NextItem()
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(layers):
            shapes |= gru_shapes(str(layer), inner_size if layer else embedding_size, inner_size)
        self.layout = ParameterLayout(
            {
                **shapes,
                "query.weight": (inner_size, inner_size),
                "key.weight": (inner_size, inner_size),
                "energy.weight": (inner_size, 1),
                "out.weight": (2 * inner_size, embedding_size),
            }
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
        states = x.transpose(1, 2)
        latest = steps_before(states, positions)  # (learners, batch, supervised, inner)
        queries, keys = linear(latest, weights, "query"), linear(states, weights, "key")
        energies = (queries[:, :, :, None] + keys[:, :, None]).sigmoid()  # (..., supervised, length, inner)
        attention = (energies.flatten(1, 3) @ weights["energy.weight"]).view(energies.shape[:-1])
        steps = torch.arange(states.shape[2], device=x.device)
        last = steps if positions is None else positions - 1
        local = attention.masked_fill(steps > last[..., None], 0.0) @ states
        return linear(dropped(torch.cat((latest, local), -1), dropout), weights, "out")
