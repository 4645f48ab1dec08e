"""The real users that learners are trained on in place of a summary."""

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from td3core.data import Sequences, latest_items


def embed_users(
    train: Sequences, users: NDArray[np.int64], items: Float[Tensor, "items d3"], *, length: int
) -> tuple[Float[Tensor, "mu zeta d3"], Int[Tensor, " mu"]]:
    """Return the last `length` items of real users, embedded and padded, and how many are real."""
    latest, lengths = latest_items(train, length=length, device=items.device)
    rows = torch.from_numpy(users).to(items.device)
    return items[latest[rows].clamp(max=items.shape[0] - 1)], lengths[rows]


def random_users(train: Sequences, n: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw `n` distinct users uniformly."""
    return generator.choice(train.n_users, n, replace=False)


def longest_users(train: Sequences, n: int) -> NDArray[np.int64]:
    """Return the `n` users with the longest sequences, the first of equals."""
    return np.argsort(-train.lengths, kind="stable")[:n]
