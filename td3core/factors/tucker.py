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

_SMALLEST_VARIANCE = 1e-3  # of the largest: a direction in which items differ less is left out


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

    @classmethod
    def near(
        cls,
        embeddings: Float[Tensor, "mu zeta d3"],
        *,
        rank_users: int,
        rank_time: int,
        items: Float[Tensor, "items d3"],
    ) -> Self:
        """Return factors whose expected embeddings are about these, as far as the ranks allow.

        If item embeddings are normally distributed with mean m and covariance C, then the expected embedding of a query
        h is m + C h, so that the query of x is the inverse of C times x - m. U and T are of the truncated higher-order
        singular value decomposition of x - m (De Lathauwer et al., SIAM J. Matrix Anal. Appl. 2000).

        All factors have the same mean square: an optimizer that moves each entry by its learning rate then changes
        none of them more than the others.
        """
        mean = items.mean(0)
        centred = items - mean
        covariance = centred.T @ centred / len(items)
        offsets = embeddings - mean
        users = _basis(offsets.flatten(1), rank_users)
        time = _basis(offsets.transpose(0, 1).flatten(1), rank_time)
        to_queries = torch.linalg.pinv(covariance, rtol=_SMALLEST_VARIANCE, hermitian=True)
        core = torch.einsum("mtc,ma,tb,cd->abd", offsets, users, time, to_queries)
        return cls(*_of_one_size(core, users, time))

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


def _basis(rows: Float[Tensor, "n columns"], rank: int) -> Float[Tensor, "n rank"]:
    """Return the leading left singular vectors; where there are fewer, with others that are orthogonal to them."""
    found = torch.linalg.svd(rows, full_matrices=False).U[:, :rank]
    missing = rank - found.shape[1]
    if not missing:
        return found
    others = torch.eye(len(rows), missing, dtype=rows.dtype, device=rows.device)
    return torch.linalg.qr(torch.cat((found, others), 1)).Q


def _of_one_size(*factors: Tensor) -> list[Tensor]:
    """Scale each factor to the same mean square, which leaves the product as it is."""
    least = torch.finfo(factors[0].dtype).tiny
    sizes = torch.stack([factor.square().mean().sqrt() for factor in factors]).clamp(min=least)
    size = sizes.log().mean().exp()
    return [factor * (size / own) for factor, own in zip(factors, sizes, strict=True)]


def _spread(queries: Float[Tensor, "steps d3"], items: Float[Tensor, "items d3"]) -> Float[Tensor, ""]:
    """Return the standard deviation of all logits `H V^T`, from moments of both: they need not exist for it."""
    squares = ((queries.T @ queries) * (items.T @ items)).sum() / (len(queries) * len(items))
    mean = queries.mean(0) @ items.mean(0)
    return (squares - mean.square()).sqrt()
