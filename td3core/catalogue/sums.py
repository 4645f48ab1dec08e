"""Sums over the whole catalogue, in blocks and twice differentiable, with no graph of the item axis.

Both functions read a query h against keys k_i, one for each item, and share one softmax p_i ~ exp(h . k_i):

- `expected_embedding(h, K, V) = sum_i p_i v_i`, the mean m of the item factor's rows under p. Its derivative by h is
  the covariance of v and k under p; that by k_i, worked out when the keys are learned, is `p_i (v_i - m) h^T`.
- `log_partition(h, V) = log sum_i exp(h . v_i)`, whose keys are the item factor and whose derivative is that mean.

V is frozen there: as values, nothing flows into it. `mean_cross_entropy` is for the teacher, whose V is learned. Only
one block of rows of p exists at a time, forwards and backwards. The loops over the blocks are operations of their own,
which a compiler leaves alone.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from td3core.catalogue.blocks import score_blocks


class Sums(NamedTuple):
    """What one pass over the catalogue gives for each query."""

    log_partitions: Float[Tensor, "*batch"]
    means: Float[Tensor, "*batch d3"]


def catalogue_sums(queries: Float[Tensor, "*batch d3"], items: Float[Tensor, "items d3"]) -> Sums:
    """Return log-partitions and expected embeddings, without a graph."""
    log_sums, means = _sums(queries.detach().reshape(-1, queries.shape[-1]), items, items)
    return Sums(log_sums.view(queries.shape[:-1]), means.view_as(queries))


def log_partition(
    queries: Float[Tensor, "*batch d3"], items: Float[Tensor, "items d3"]
) -> Float[Tensor, "*batch"]:
    """Return `logsumexp(queries @ items.T)` over the catalogue; twice differentiable by the queries."""
    sums = catalogue_sums(queries, items)
    flat = queries.reshape(-1, queries.shape[-1])
    log_sums = _LogPartition.apply(flat, items, sums.log_partitions.flatten(), sums.means.view_as(flat))
    return cast(Tensor, log_sums).view(queries.shape[:-1])


def expected_embedding(
    queries: Float[Tensor, "*batch d"],
    keys: Float[Tensor, "items d"],
    values: Float[Tensor, "items d3"],
    known: Sums | None = None,
) -> Float[Tensor, "*batch d3"]:
    """Return `softmax(queries @ keys.T) @ values`: attention. Differentiable by the queries and the keys.

    A caller that goes through the same queries again hands in the sums it has, and saves that pass.
    """
    flat = queries.reshape(-1, queries.shape[-1])
    if known is None:
        sums = _sums(flat.detach(), keys.detach(), values)
    else:
        sums = known.log_partitions.flatten(), known.means.flatten(0, -2)
    means = _ExpectedEmbedding.apply(flat, keys, values, *sums)
    return cast(Tensor, means).view(*queries.shape[:-1], values.shape[-1])


def mean_cross_entropy(
    queries: Float[Tensor, "rows d3"], items: Float[Tensor, "items d3"], targets: Int[Tensor, " rows"]
) -> Float[Tensor, ""]:
    """Return the mean of `logsumexp(q . V) - q . v_target`; once differentiable by queries and items.

    The derivatives are worked out on the way forward, block by block, so that the scores of all rows never exist at
    once (Wijmans et al., "Cut Your Losses in Large-Vocabulary Language Models", ICLR 2025, arXiv 2411.09009).
    """
    return cast(Tensor, _MeanCrossEntropy.apply(queries, items, targets))


class _MeanCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, items: Tensor, targets: Tensor) -> Tensor:
        by_queries, by_items = torch.empty_like(queries), torch.zeros_like(items)
        total = queries.new_zeros(())
        for rows, scores in score_blocks(queries, items):
            aimed = targets[rows, None]
            total -= scores.gather(1, aimed).sum()
            highest = scores.amax(-1, keepdim=True)
            weights = scores.sub_(highest).exp_()
            sums = weights.sum(-1, keepdim=True)
            total += (sums.log() + highest).sum()
            weights /= sums
            weights.scatter_add_(1, aimed, torch.full_like(highest, -1.0))
            torch.mm(weights, items, out=by_queries[rows])
            by_items.addmm_(weights.T, queries[rows])
        ctx.save_for_backward(by_queries / len(queries), by_items / len(queries))
        return total / len(queries)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] - the decorator's own signature
        ctx: Any, *adjoints: Tensor
    ) -> tuple[Tensor, Tensor, None]:
        by_queries, by_items = ctx.saved_tensors
        return adjoints[0] * by_queries, adjoints[0] * by_items, None


class _LogPartition(torch.autograd.Function):
    """The sums are known already; this gives them their derivative, and so does the next class."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, items: Tensor, log_sums: Tensor, means: Tensor) -> Tensor:
        ctx.save_for_backward(queries, items, log_sums, means)
        return log_sums.clone()

    @staticmethod
    def backward(ctx: Any, *adjoints: Tensor) -> tuple[Tensor, None, None, None]:
        queries, items, log_sums, means = ctx.saved_tensors
        means = cast(Tensor, _ExpectedEmbedding.apply(queries, items, items, log_sums, means))
        return adjoints[0][:, None] * means, None, None, None


class _ExpectedEmbedding(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, keys: Tensor, values: Tensor, log_sums: Tensor, means: Tensor
    ) -> Tensor:
        ctx.save_for_backward(queries, keys, values, log_sums, means)
        return means.clone()

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] - the decorator's own signature
        ctx: Any, *adjoints: Tensor
    ) -> tuple[Tensor, Tensor | None, None, None, None]:
        learned_keys = ctx.needs_input_grad[1]
        by_queries, by_keys = _pull_back(*ctx.saved_tensors, *adjoints, learned_keys)
        return by_queries, by_keys if learned_keys else None, None, None, None


torch.library.define("td3core::sums", "(Tensor queries, Tensor keys, Tensor values) -> (Tensor, Tensor)")
torch.library.define(
    "td3core::pull_back",
    "(Tensor queries, Tensor keys, Tensor values, Tensor log_sums, Tensor means, Tensor adjoint, bool learned_keys) "
    "-> (Tensor, Tensor)",
)
# Not by `custom_op`, which imports the whole compiler at the first call: a second before any training.
_sums: Callable[..., tuple[Tensor, Tensor]] = torch.ops.td3core.sums.default
_pull_back: Callable[..., tuple[Tensor, Tensor]] = torch.ops.td3core.pull_back.default


@torch.library.impl("td3core::sums", "default")
def _sums_in_blocks(queries: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Return log-partitions (rows,) and expected embeddings (rows, d3)."""
    log_sums = queries.new_empty(queries.shape[0])
    means = queries.new_empty(queries.shape[0], values.shape[1])
    for rows, scores in score_blocks(queries, keys):
        highest = scores.amax(-1, keepdim=True)
        weights = scores.sub_(highest).exp_()
        total = weights.sum(-1, keepdim=True)
        log_sums[rows] = (total.log() + highest).squeeze(-1)
        torch.mm(weights, values, out=means[rows])
        means[rows] /= total
    return log_sums, means


def _like_sums(queries: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    return queries.new_empty(queries.shape[0]), queries.new_empty(queries.shape[0], values.shape[1])


@torch.library.impl("td3core::pull_back", "default")
def _pull_back_in_blocks(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    log_sums: Tensor,
    means: Tensor,
    adjoint: Tensor,
    learned_keys: bool,
) -> tuple[Tensor, Tensor]:
    """Return the derivatives by the queries and, if these are learned, by the keys."""
    by_queries = torch.empty_like(queries)
    by_keys = torch.zeros_like(keys) if learned_keys else keys.new_empty(0)
    along_means = (adjoint * means).sum(-1, keepdim=True)
    for rows, scores in score_blocks(queries, keys):
        weighted = scores.sub_(log_sums[rows, None]).exp_()
        weighted *= torch.addmm(along_means[rows], adjoint[rows], values.T, beta=-1)
        torch.mm(weighted, keys, out=by_queries[rows])
        if learned_keys:
            by_keys.addmm_(weighted.T, queries[rows])
    return by_queries, by_keys


def _like_pull_back(queries: Tensor, keys: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
    return torch.empty_like(queries), torch.empty_like(keys) if others[-1] else keys.new_empty(0)


torch.library.register_fake("td3core::sums", _like_sums)
torch.library.register_fake("td3core::pull_back", _like_pull_back)
