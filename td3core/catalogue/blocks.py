"""Blocks of rows whose scores over the whole catalogue fit into memory together."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

BLOCK_SCORES = 1 << 19
"""Scores of a block on a CPU: 2 MiB in float32, so that it stays in the cache between passes."""
GPU_BLOCK_SCORES = 1 << 24
"""On a GPU: 64 MiB. A pass over them then takes tens of microseconds, several times what it takes to launch it."""


def block_scores(device: torch.device) -> int:
    """Return how many scores a block has on this device."""
    return BLOCK_SCORES if device.type == "cpu" else GPU_BLOCK_SCORES


def row_blocks(rows: int, n_items: int, *, scores: int, most_rows: int | None = None) -> Iterator[slice]:
    """Cut rows into blocks with about `scores` scores over the items, at least one row and at most `most_rows`."""
    size = max(1, scores // n_items)
    size = min(size, most_rows or size)
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def score_blocks(
    queries: Float[Tensor, "rows d"], keys: Float[Tensor, "items d"]
) -> Iterator[tuple[slice, Float[Tensor, "block items"]]]:
    """Yield the rows and scores of each block; the scores may be overwritten."""
    for rows in row_blocks(queries.shape[0], keys.shape[0], scores=block_scores(queries.device)):
        yield rows, queries[rows] @ keys.T
