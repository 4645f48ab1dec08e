"""The summary as a table of latent sequences and a decoder.

Sachdeva et al., "Farzi Data: Autoregressive Data Distillation", 2023, arXiv 2310.09983: the summary is factorised into
a latent summary D (mu x zeta x d) and a token decoder M (d x items), `S = softmax(D M / tau)`, and both are learned. So
the queries are `D / tau`, and the keys are the columns of M.

Where we deviate: a learner reads S through the teacher's frozen item factor V, where Farzi's learns an embedding of its
own; both tables start at random, and the defaults of d and tau are ours; and all the rest is what `td3core.outer`
does for every kind: some positions a step, and an alignment objective that Farzi has not. Farzi, too, goes back
through Adam by Hessian-vector products instead of the graph of the inner loop.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class FarziFactors:
    """D and M of the paper, M transposed, and its tau, which is not learned."""

    latents: Float[Tensor, "mu zeta d"]
    decoder: Float[Tensor, "items d"]
    temperature: float

    @classmethod
    def initial(
        cls,
        *,
        users: int,
        length: int,
        rank: int,
        temperature: float,
        items: Float[Tensor, "items d3"],
        generator: torch.Generator,
    ) -> Self:
        """Draw both tables alike, such that the logits `D M / tau` have about unit variance at the start."""
        scale = (temperature / rank**0.5) ** 0.5

        def normal(*shape: int) -> Tensor:
            empty = torch.empty(shape, dtype=items.dtype, device=items.device)
            return empty.normal_(std=scale, generator=generator)

        return cls(normal(users, length, rank), normal(items.shape[0], rank), temperature)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """D and M."""
        return {"latents": self.latents, "decoder": self.decoder}

    def with_tensors(self, tensors: Mapping[str, Tensor]) -> Self:
        """Return other tables, read at the same temperature."""
        return replace(self, **tensors)

    @property
    def shape(self) -> tuple[int, int]:
        """Synthetic users mu and steps zeta."""
        return self.latents.shape[0], self.latents.shape[1]

    def queries(self) -> Float[Tensor, "mu zeta d"]:
        """Return `D / tau`."""
        return self.latents / self.temperature

    def keys(self, items: Float[Tensor, "items d3"]) -> Float[Tensor, "items d"]:
        """Return the decoder, which has a row for each of the items."""
        return self.decoder
