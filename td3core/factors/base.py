"""What every kind of summary is: queries that attend to the items by their keys.

A kind says how its learned tensors make a query h for every step of every synthetic user, and a key k_i for every item:

    S = softmax(H K^T)    over the item axis,
    X = S V               what a learner consumes, V being the frozen item factor.

S is never built to learn it, and nothing but queries, keys and values enters the sums over the catalogue.
"""

from collections.abc import Callable, Mapping
from typing import Protocol, Self, TypeVar, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from td3core.catalogue import Catalogue, expected_embedding


@runtime_checkable
class Factors(Protocol):
    """The learned tensors of a summary; immutable but for what an optimizer writes into them."""

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All that is learned, by the names of the artefact and always in the same order."""
        ...

    def with_tensors(self, tensors: Mapping[str, Tensor]) -> Self:
        """Return the same kind made of other tensors."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Synthetic users mu and steps zeta."""
        ...

    def queries(self) -> Float[Tensor, "mu zeta d"]:
        """Return H."""
        ...

    def keys(self, items: Float[Tensor, "items d3"]) -> Float[Tensor, "items d"]:
        """Return K for a catalogue whose item factor is `items`."""
        ...


AnyFactors = TypeVar("AnyFactors", bound=Factors)


def map_tensors(factors: AnyFactors, change: Callable[[Tensor], Tensor]) -> AnyFactors:
    """Return the factors with every tensor changed: cloned, detached, moved."""
    return factors.with_tensors({name: change(tensor) for name, tensor in factors.tensors.items()})


def history_length(factors: Factors) -> int:
    """Return how many steps of a history a learner reads that was trained on the summary.

    They are those before the last step: it was never trained to continue a longer history.
    """
    return factors.shape[1] - 1


def soft_sequences(factors: Factors, items: Float[Tensor, "items d3"]) -> Float[Tensor, "mu zeta items"]:
    """Return `S`: each row is a distribution over the items. Padding is not an item, so it has no mass."""
    return (factors.queries() @ factors.keys(items).T).softmax(-1)


def expected_embeddings(
    factors: Factors, items: Float[Tensor, "items d3"], part: Catalogue | None = None
) -> Float[Tensor, "mu zeta d3"]:
    """Return `X = S V` without building S; estimated, if only a part of the catalogue is to be looked at."""
    if part is None or part.rows is None:
        return expected_embedding(factors.queries(), factors.keys(items), items)
    keys = part.keys(factors.keys(items)[part.rows])
    return expected_embedding(part.lift(factors.queries()), keys, part.items)
