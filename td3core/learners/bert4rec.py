"""BERT4Rec: sequential recommendation by filling gaps.

Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from Transformer", CIKM
2019, arXiv 1904.06690. What comes next is the gap at the end, which takes one of its positions.
"""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from td3core.learners.base import Dropout, ParameterLayout
from td3core.learners.layers import block_shapes, dropped, glorot_std, norm, norm_shapes, transformer_block
from td3core.learners.objective import MaskedItem


@final
class BERT4Rec:
    """A bidirectional Transformer over item embeddings, some of them hidden behind a mask."""

    def __init__(
        self, *, embedding_size: int, layers: int, heads: int, inner_size: int, max_length: int
    ) -> None:
        self.embedding_size = embedding_size
        self.layers = layers
        self.heads = heads
        self.max_length = max_length
        self.objective = MaskedItem()
        shapes: dict[str, tuple[int, ...]] = {
            "mask": (embedding_size,),
            "position": (max_length + 1, embedding_size),
            **norm_shapes("embedding", embedding_size),
        }
        for layer in range(layers):
            shapes |= block_shapes(str(layer), embedding_size, inner_size)
        self.layout = ParameterLayout(shapes)

    def initialise(
        self, learners: int, *, generator: torch.Generator, dtype: torch.dtype, device: torch.device
    ) -> Float[Tensor, "learners parameters"]:
        """Draw matrices as Glorot and Bengio do, mask and positions from N(0, 0.02^2), biases zero, norms one.

        The authors draw everything so, which comes from BERT's width of 768. In a narrow learner hardly anything then
        gets through attention, and a gap has no other way to learn of its surroundings.
        """
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
        """Predict the steps at `positions` from all the others."""
        weights = self.layout.split(parameters)
        steps = torch.arange(sequences.shape[2], device=sequences.device)
        if positions is None:
            hidden = steps > 0
        else:
            hidden = torch.zeros(*positions.shape[:2], len(steps), dtype=torch.bool, device=steps.device)
            hidden = hidden.scatter(2, positions, value=True)
        if lengths is None:
            padding = torch.zeros((), dtype=torch.bool, device=steps.device)
        else:
            padding = (steps >= lengths[..., None])[:, :, None, None]
        x = torch.where(hidden[..., None], weights["mask"][:, None, None], sequences)
        x = x + weights["position"][:, None, : len(steps)]
        x = dropped(norm(x, weights, "embedding"), dropout)
        supervised = torch.arange(1, len(steps), device=steps.device) if positions is None else positions
        supervised = supervised.expand(*sequences.shape[:2], -1)
        for layer in range(self.layers):
            at = supervised if layer == self.layers - 1 else None
            x = transformer_block(
                x, weights, str(layer), heads=self.heads, unseen=padding, dropout=dropout, at=at
            )
        return x
