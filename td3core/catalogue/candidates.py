"""A part of the catalogue that stands for the whole: what makes a step's cost independent of the number of items.

Items are drawn independently, item i with probability pi_i, and weighted by 1 / pi_i (Horvitz and Thompson, "A
generalization of sampling without replacement from a finite universe", JASA 1952; Poisson sampling). So every sum over
the catalogue, the partition function above all, keeps its expectation; in the exponent the weight is `- log pi_i`, the
logQ correction of sampled softmax (Bengio and Senecal, 2008; Yi et al., RecSys 2019). Popular items are the likelier.
"""

from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from td3core.catalogue.sums import Sums, catalogue_sums, expected_embedding, log_partition

_UNIFORM_SHARE = 0.5
_ROUNDS = 20
_NOTHING = -1e4  # in the exponent: finite, for zero times infinity is no number


class Catalogue(NamedTuple):
    """Items that scores are summed over: all of them, or candidates with their offsets."""

    items: Float[Tensor, "items d3"]
    rows: Int[Tensor, " items"] | None = None
    """Which rows of the whole catalogue these are; None: all."""
    offsets: Float[Tensor, " items"] | None = None
    """Added to each item's score; None: nothing is."""

    def sums(self, queries: Float[Tensor, "*batch d3"]) -> Sums:
        """Return what one pass over the catalogue gives, without a graph."""
        return catalogue_sums(self.lift(queries), self.keys(self.items))

    def log_partition(self, queries: Float[Tensor, "*batch d3"]) -> Float[Tensor, "*batch"]:
        """Return the logarithm of the (estimated) sum of the exponential scores; twice differentiable."""
        return log_partition(self.lift(queries), self.keys(self.items))

    def mean(self, queries: Float[Tensor, "*batch d3"], known: Sums) -> Float[Tensor, "*batch d3"]:
        """Return the expected embedding of what is predicted, which `sums` gave; differentiable by the queries."""
        keys = self.keys(self.items)
        return expected_embedding(self.lift(queries), keys, keys, known)[..., : queries.shape[-1]]

    def lift(self, queries: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d_or_one_more"]:
        """Give queries a last coordinate of one, which meets the offsets in `keys`."""
        return queries if self.offsets is None else functional.pad(queries, (0, 1), value=1.0)

    def keys(self, keys: Float[Tensor, "items d"]) -> Float[Tensor, "items d_or_one_more"]:
        """Give the keys of these items their offsets as a last coordinate."""
        return keys if self.offsets is None else torch.cat((keys, self.offsets[:, None]), 1)


def inclusion_probabilities(popularity: Float[Tensor, " items"], candidates: int) -> Float[Tensor, " items"]:
    """Return `pi`: half uniform, half in proportion to popularity, none above one, with a sum of `candidates`.

    All are one where there are no more items than candidates.
    """
    n = len(popularity)
    if n <= candidates:
        return torch.ones_like(popularity)
    weights = _UNIFORM_SHARE / n + (1 - _UNIFORM_SHARE) * popularity / popularity.sum().clamp_min(1)
    certain = torch.zeros_like(weights, dtype=torch.bool)
    probabilities = weights
    for _ in range(_ROUNDS):  # what exceeds one is shared out among the others
        spare = candidates - certain.sum()
        probabilities = torch.where(certain, 1.0, spare * weights / weights[~certain].sum())
        if not (over := (probabilities > 1) & ~certain).any():
            break
        certain |= over
    return probabilities.clamp(max=1.0)


def room_for(candidates: int) -> int:
    """Return a number of candidates that so many expected ones hardly ever exceed: six deviations of it above them."""
    return candidates + ceil(6 * candidates**0.5)


@dataclass(frozen=True)
class CatalogueSampler:
    """Gives each step its items: all, or candidates that are drawn anew."""

    items: Float[Tensor, "items d3"]
    probabilities: Float[Tensor, " items"] | None = None
    """Of each item to be drawn; None: every step sees all items."""
    size: int = 0
    """Fewer candidates are filled up to so many, with items that weigh nothing."""

    def draw(self, generator: torch.Generator) -> Catalogue:
        """Draw each item with its probability; should none be drawn, take all."""
        items, probabilities = self.items, self.probabilities
        if probabilities is None:
            return Catalogue(items)
        uniform = torch.rand(probabilities.shape, generator=generator, device=items.device, dtype=items.dtype)
        rows = (uniform < probabilities).nonzero().squeeze(1)
        if not len(rows):
            return Catalogue(items)
        missing = max(0, self.size - len(rows))
        offsets = functional.pad(-probabilities[rows].log(), (0, missing), value=_NOTHING)
        rows = functional.pad(rows, (0, missing))
        return Catalogue(items[rows], rows, offsets)
