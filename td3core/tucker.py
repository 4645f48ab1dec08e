"""The synthetic sequence summary as a Tucker product.

Zhang et al., "TD3", WWW 2025, arXiv 2502.02854: `S = softmax(G x1 U x2 T x3 V)` over the item axis. S is never built to
learn it: with `H = G x1 U x2 T`, a learner consumes `X = S V = softmax(H V^T) V`.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from td3core.candidates import Catalogue
from td3core.catalogue import expected_embedding


class Factors(NamedTuple):
    """What is learned: G, U and T of the paper."""

    core: Float[Tensor, "d1 d2 d3"]
    users: Float[Tensor, "mu d1"]
    time: Float[Tensor, "zeta d2"]


def initial_factors(
    *,
    users: int,
    length: int,
    rank_users: int,
    rank_time: int,
    items: Float[Tensor, "items d3"],
    generator: torch.Generator,
) -> Factors:
    """Draw factors such that the logits `H V^T` have about unit variance at the start."""

    def normal(*shape: int) -> Tensor:
        return torch.empty(shape, dtype=items.dtype, device=items.device).normal_(generator=generator)

    core = normal(rank_users, rank_time, items.shape[1])
    factors = Factors(
        core, normal(users, rank_users) / rank_users**0.5, normal(length, rank_time) / rank_time**0.5
    )
    scale = (latent_queries(factors) @ items.T).std()
    return Factors(core / scale, factors.users, factors.time)


def latent_queries(factors: Factors) -> Float[Tensor, "mu zeta d3"]:
    """Return `H = G x1 U x2 T`."""
    return torch.einsum("abc,ma,tb->mtc", factors.core, factors.users, factors.time)


def soft_sequences(factors: Factors, items: Float[Tensor, "items d3"]) -> Float[Tensor, "mu zeta items"]:
    """Return `S`: each row is a distribution over the items. Padding is not an item, so it has no mass."""
    return (latent_queries(factors) @ items.T).softmax(-1)


def expected_embeddings(factors: Factors, catalogue: Catalogue) -> Float[Tensor, "mu zeta d3"]:
    """Return `X = S V` without building S; estimated, if the catalogue is one of candidates."""
    queries = catalogue.lift(latent_queries(factors))
    return expected_embedding(queries, catalogue.keys(catalogue.items))[..., : catalogue.items.shape[1]]
