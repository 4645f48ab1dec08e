"""SASRec: self-attentive sequential recommendation.

Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018, arXiv 1808.09781, with the normalisation after
each residual connection, as in BERT4Rec and RecBole.
"""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from td3core.learners.base import Dropout, ParameterLayout
from td3core.learners.layers import INITIAL_STD, block_shapes, dropped, norm, norm_shapes, transformer_block
from td3core.learners.objective import NextItem


@final
class SASRec:
    """A causal Transformer over item embeddings."""

    def __init__(
        self, *, embedding_size: int, layers: int, heads: int, inner_size: int, max_length: int
    ) -> None:
        self.embedding_size = embedding_size
        self.layers = layers
        self.heads = heads
        self.max_length = max_length
        self.objective = NextItem()
        shapes = {"position": (max_length, embedding_size), **norm_shapes("embedding", embedding_size)}
        for layer in range(layers):
            shapes |= block_shapes(str(layer), embedding_size, inner_size)
        self.layout = ParameterLayout(shapes)

    def initialise(
        self, learners: int, *, generator: torch.Generator, dtype: torch.dtype, device: torch.device
    ) -> Float[Tensor, "learners parameters"]:
        """Draw weights from N(0, 0.02^2), biases zero, norms one."""
        return self.layout.draw(
            learners, std=lambda *_: INITIAL_STD, generator=generator, dtype=dtype, device=device
        )

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
        seen = sequences[:, :, :-1]
        length = seen.shape[2]
        x = seen + weights["position"][:, None, :length]
        x = dropped(norm(x, weights, "embedding"), dropout)
        future = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        read_at = None
        for layer in range(self.layers):
            if layer == self.layers - 1 and positions is not None:
                read_at = positions - 1  # a step is predicted from the one before it
                future = future[read_at][:, :, None]
            x = transformer_block(
                x, weights, str(layer), heads=self.heads, unseen=future, dropout=dropout, at=read_at
            )
        return x
