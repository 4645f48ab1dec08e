"""Distributions over the catalogue as inputs and targets of an item embedding in training, in blocks.

A soft item is given as `p = softmax(query . keys)`. Reading it is `p E`, predicting it is cross-entropy against
`softmax(o E)`. Both give derivatives by the embedding E that is learned; queries and keys are fixed. Only one block of
rows of p exists at a time, forwards and backwards, so memory does not grow with steps times items.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from td3core.catalogue.blocks import block_scores, row_blocks


def soft_embedding(
    queries: Float[Tensor, "*batch k"], keys: Float[Tensor, "items k"], values: Float[Tensor, "items d"]
) -> Float[Tensor, "*batch d"]:
    """Return `softmax(queries @ keys.T) @ values`, differentiable by the values."""
    flat = queries.detach().reshape(-1, queries.shape[-1])
    read = cast(Tensor, _SoftEmbedding.apply(flat, keys, values))
    return read.view(*queries.shape[:-1], values.shape[1])


def soft_cross_entropy(
    outputs: Float[Tensor, "rows d"],
    items: Float[Tensor, "items d"],
    *,
    queries: Float[Tensor, "rows k"],
    keys: Float[Tensor, "items k"],
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy of `softmax(outputs @ items.T)` against `softmax(queries @ keys.T)`.

    It is differentiable by outputs and items, once.
    """
    return ensemble_cross_entropy(outputs, items, [(queries.detach(), keys)])


def ensemble_cross_entropy(
    outputs: Float[Tensor, "rows d"], items: Float[Tensor, "items d"], labels: Sequence[tuple[Tensor, Tensor]]
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy of `softmax(outputs @ items.T)` against the mean of several distributions.

    Each is given by queries (rows, k) and keys (items, k), as in `soft_cross_entropy`.
    """
    flat = [tensor for pair in labels for tensor in pair]
    return cast(Tensor, _SoftCrossEntropy.apply(outputs, items, *flat)) / len(outputs)


def draw_items(
    queries: Float[Tensor, "*batch k"], keys: Float[Tensor, "items k"], n: int, *, generator: torch.Generator
) -> Int[Tensor, "*batch {n}"]:
    """Draw `n` items from each `softmax(queries @ keys.T)`, with replacement."""
    flat = queries.detach().reshape(-1, queries.shape[-1])
    drawn = torch.empty(len(flat), n, dtype=torch.int64, device=queries.device)
    for rows in row_blocks(len(flat), len(keys), scores=block_scores(flat.device)):
        weights = (flat[rows] @ keys.T).softmax(-1)
        drawn[rows] = weights.multinomial(n, replacement=True, generator=generator)
    return drawn.view(*queries.shape[:-1], n)


class _SoftEmbedding(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        ctx.save_for_backward(queries, keys, values)
        read = values.new_empty(len(queries), values.shape[1])
        for rows in row_blocks(len(queries), len(keys), scores=block_scores(queries.device)):
            torch.mm((queries[rows] @ keys.T).softmax(-1), values, out=read[rows])
        return read

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] - the decorator's own signature
        ctx: Any, *adjoints: Tensor
    ) -> tuple[None, None, Tensor]:
        queries, keys, values = ctx.saved_tensors
        by_values = torch.zeros_like(values)
        for rows in row_blocks(len(queries), len(keys), scores=block_scores(queries.device)):
            by_values.addmm_((queries[rows] @ keys.T).softmax(-1).T, adjoints[0][rows])
        return None, None, by_values


class _SoftCrossEntropy(torch.autograd.Function):
    """The derivatives come with the value: they need the same blocks, which are then never built again."""

    @staticmethod
    def forward(ctx: Any, outputs: Tensor, items: Tensor, *labels: Tensor) -> Tensor:
        by_outputs, by_items = torch.empty_like(outputs), torch.zeros_like(items)
        total = outputs.new_zeros(())
        pairs = list(zip(labels[::2], labels[1::2], strict=True))
        for rows in row_blocks(len(outputs), len(items), scores=block_scores(outputs.device)):
            targets = outputs.new_zeros(rows.stop - rows.start, len(items))
            for queries, keys in pairs:
                targets += (queries[rows] @ keys.T).softmax(-1)
            targets /= len(pairs)
            log_predicted = (outputs[rows] @ items.T).log_softmax(-1)
            total -= targets.flatten().dot(log_predicted.flatten())
            excess = log_predicted.exp_().sub_(targets)
            torch.mm(excess, items, out=by_outputs[rows])
            by_items.addmm_(excess.T, outputs[rows])
        ctx.save_for_backward(by_outputs, by_items)
        ctx.labels = len(labels)
        return total

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] - the decorator's own signature
        ctx: Any, *adjoints: Tensor
    ) -> tuple[Tensor | None, ...]:
        by_outputs, by_items = ctx.saved_tensors
        return adjoints[0] * by_outputs, adjoints[0] * by_items, *[None] * ctx.labels
