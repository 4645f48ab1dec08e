"""The gradient of a training on the log, in few shapes, so that a GPU records it (see `inner.captured`).

Batches have chunks of other lengths each time, and as many targets as those have. Here chunks are padded to one of a
few lengths, and padding is predicted as well, by a query of zero: every item is then as likely as another, so that a
padded target adds log(items) to the loss, which is taken off, and nothing to any derivative.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from td3core.catalogue import mean_cross_entropy
from td3core.inner.captured import captured
from td3core.learners import Dropout, Learner

_LENGTHS = (4, 6, 8, 12, 16, 24, 32)
"""What shorter chunks are padded to; longer ones to the longest that there is."""
_MOST_SCORES = 1 << 28
"""Of a padded batch: an H200 works some milliseconds on them."""


class LossGradient(NamedTuple):
    """A loss and its derivatives by what a training learns."""

    loss: Float[Tensor, ""]
    by_items: Float[Tensor, "items d3"]
    by_parameters: Float[Tensor, "1 parameters"]


def padded_gradient(
    learner: Learner,
    dropout: Dropout,
    items: Float[Tensor, "items d3"],
    parameters: Float[Tensor, "1 parameters"],
    chunks: Int[Tensor, "chunks length"],
) -> LossGradient:
    """Differentiate the mean cross-entropy of every item but the first of each chunk.

    It is `next_item_loss` of a learner that predicts every step. What is not below the number of items is padding.
    """
    items, parameters = (tensor.detach().requires_grad_() for tensor in (items, parameters))
    n_items, length = len(items), chunks.shape[1]
    lengths = (chunks < n_items).sum(1)
    known = chunks.clamp(max=n_items - 1)
    with torch.enable_grad():
        outputs = learner(
            parameters, functional.embedding(known, items)[None], lengths=lengths[None], dropout=dropout
        )
        real = (torch.arange(1, length, device=chunks.device) < lengths[:, None]).flatten()
        mean = mean_cross_entropy(outputs.flatten(0, 2) * real[:, None], items, known[:, 1:].flatten())
        of_padding = math.log(n_items)
        loss = (mean - of_padding) * (len(real) / real.sum()) + of_padding
        by_items, by_parameters = torch.autograd.grad(loss, (items, parameters))
    return LossGradient(loss.detach(), by_items, by_parameters)


class RecordedGradient:
    """`padded_gradient` of chunks by weights that stay where they are; a GPU records it for each length of chunks."""

    def __init__(
        self,
        learner: Learner,
        dropout: Dropout,
        items: Float[Tensor, "items d3"],
        parameters: Float[Tensor, "1 parameters"],
        *,
        rows: int,
    ) -> None:
        """Prepare it for batches of about so many chunks, or of more, which it records apart."""
        self._rows = rows
        self._most = learner.max_length + 1
        self._items = len(items)

        def gradient(chunks: Tensor) -> LossGradient:
            return padded_gradient(learner, dropout, items, parameters, chunks)

        self._gradient = captured(gradient, most=len(_LENGTHS) + 2, generator=dropout.generator)

    @property
    def pays(self) -> bool:
        """Whether batches are so small that a GPU waits for most of one, and padding costs it little."""
        return self._rows * self._most * self._items <= _MOST_SCORES

    def __call__(self, chunks: Int[Tensor, "chunks steps"]) -> LossGradient:
        """Return the gradient, which holds until the next call."""
        return self._gradient(pad(chunks, rows=self._rows, most=self._most, n_items=self._items))


def pad(
    chunks: Int[Tensor, "chunks steps"], *, rows: int, most: int, n_items: int
) -> Int[Tensor, "rows length"]:
    """Pad chunks of at most `most` steps to one of few lengths; a row of padding has one item, and no target."""
    count, steps = chunks.shape
    length = next((length for length in _LENGTHS if steps <= length <= most), most)
    padded = functional.pad(chunks, (0, length - steps, 0, max(0, rows - count)), value=n_items)
    padded[count:, 0] = 0
    return padded
