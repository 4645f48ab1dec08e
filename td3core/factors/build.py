"""From a summary's config to its factors."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from td3core.config import SummaryConfig
from td3core.factors.farzi import FarziFactors
from td3core.factors.tucker import TuckerFactors

KnownFactors = TuckerFactors | FarziFactors
"""Every kind there is."""


def initial_factors(
    config: SummaryConfig, *, items: Float[Tensor, "items d3"], generator: torch.Generator
) -> KnownFactors:
    """Draw factors of the kind and size that `config` names, for a catalogue whose item factor is `items`."""
    match config.kind:
        case "tucker":
            return TuckerFactors.initial(
                users=config.users,
                length=config.length,
                rank_users=config.d1,
                rank_time=config.d2,
                items=items,
                generator=generator,
            )
        case "farzi":
            return FarziFactors.initial(
                users=config.users,
                length=config.length,
                rank=config.d,
                temperature=config.tau,
                items=items,
                generator=generator,
            )


def factors_near(
    config: SummaryConfig,
    embeddings: Float[Tensor, "mu zeta d3"],
    *,
    items: Float[Tensor, "items d3"],
) -> TuckerFactors:
    """Return factors of the ranks that `config` names, whose summary is about these sequences."""
    return TuckerFactors.near(embeddings, rank_users=config.d1, rank_time=config.d2, items=items)


def factor_shapes(config: SummaryConfig, *, n_items: int, embedding_size: int) -> dict[str, tuple[int, ...]]:
    """Return the shape that each tensor of a kind has, by name."""
    match config.kind:
        case "tucker":
            return {
                "core": (config.d1, config.d2, embedding_size),
                "users": (config.users, config.d1),
                "time": (config.length, config.d2),
            }
        case "farzi":
            return {"latents": (config.users, config.length, config.d), "decoder": (n_items, config.d)}


def named_factors(config: SummaryConfig, tensors: Mapping[str, Tensor]) -> KnownFactors:
    """Put tensors of the names and shapes of `factor_shapes` together again."""
    match config.kind:
        case "tucker":
            return TuckerFactors(tensors["core"], tensors["users"], tensors["time"])
        case "farzi":
            return FarziFactors(tensors["latents"], tensors["decoder"], config.tau)
