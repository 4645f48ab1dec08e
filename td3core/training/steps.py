"""The gradient of a training step."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from td3core.catalogue import with_smaller_blocks


def differentiate(
    loss: Callable[[], Float[Tensor, ""]], optimizer: torch.optim.Optimizer
) -> Float[Tensor, ""]:
    """Work out the loss and, for the optimizer, its gradient; return the loss without a graph."""

    def once() -> Float[Tensor, ""]:
        optimizer.zero_grad()
        found = loss()
        found.backward()  # pyright: ignore[reportUnknownMemberType]
        return found.detach()

    return with_smaller_blocks(once)
