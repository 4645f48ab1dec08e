"""The summary as a Tucker product.

Zhang et al., "TD3", WWW 2025, arXiv 2502.02854: `S = softmax(G x1 U x2 T x3 V)`. So the queries are `H = G x1 U x2 T`,
and the keys are the item factor V itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class TuckerFactors:
    """G, U and T of the paper."""

    core: Float[Tensor, "d1 d2 d3"]
    users: Float[Tensor, "mu d1"]
    time: Float[Tensor, "zeta d2"]

    @classmethod
    def initial(
        cls,
        *,
        users: int,
        length: int,
        rank_users: int,
        rank_time: int,
        items: Float[Tensor, "items d3"],
        generator: torch.Generator,
    ) -> Self:
        """Draw factors such that the logits `H V^T` have unit variance at the start."""

        def normal(*shape: int) -> Tensor:
            return torch.empty(shape, dtype=items.dtype, device=items.device).normal_(generator=generator)

        core = normal(rank_users, rank_time, items.shape[1])
        drawn = cls(
            core, normal(users, rank_users) / rank_users**0.5, normal(length, rank_time) / rank_time**0.5
        )
        return replace(drawn, core=core / _spread(drawn.queries().flatten(0, 1), items))

    @property
    def tensors(self) -> dict[str, Tensor]:
        """G, U and T."""
        return {"core": self.core, "users": self.users, "time": self.time}

    def with_tensors(self, tensors: Mapping[str, Tensor]) -> Self:
        """Return the product of other factors."""
        return replace(self, **tensors)

    @property
    def shape(self) -> tuple[int, int]:
        """Synthetic users mu and steps zeta."""
        return self.users.shape[0], self.time.shape[0]

    def queries(self) -> Float[Tensor, "mu zeta d3"]:
        """Return `H = G x1 U x2 T`."""
        return torch.einsum("abc,ma,tb->mtc", self.core, self.users, self.time)

    def keys(self, items: Float[Tensor, "items d3"]) -> Float[Tensor, "items d3"]:
        """Return V as it is."""
        return items


def _spread(queries: Float[Tensor, "steps d3"], items: Float[Tensor, "items d3"]) -> Float[Tensor, ""]:
    """Return the standard deviation of all logits `H V^T`, from moments of both: they need not exist for it."""
    squares = ((queries.T @ queries) * (items.T @ items)).sum() / (len(queries) * len(items))
    mean = queries.mean(0) @ items.mean(0)
    return (squares - mean.square()).sqrt()
