"""Blocks of rows whose scores over the whole catalogue fit into memory together."""

import gc
import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

BLOCK_SCORES = 1 << 19
"""Scores of a block on a CPU: 2 MiB in float32, so that it stays in the cache between passes."""
GPU_BLOCK_SCORES = 1 << 24
"""On a GPU: 64 MiB. A pass over them then takes tens of microseconds, several times what it takes to launch it."""
MOST_HALVINGS = 4
"""Of a GPU's blocks, where its memory is too small for them."""

R = TypeVar("R")
log = logging.getLogger(__name__)


class _Halved:
    """How often the blocks of this process have been halved: what did not fit once would not fit again."""

    times = 0


def block_scores(device: torch.device) -> int:
    """Return how many scores a block has on this device."""
    return BLOCK_SCORES if device.type == "cpu" else GPU_BLOCK_SCORES >> _Halved.times


def with_smaller_blocks(work: Callable[[], R]) -> R:
    """Return what the work gives; while a GPU's memory is too small for it, halve the blocks and try again.

    The work must change nothing before it is done.

    Raises:
        torch.OutOfMemoryError: The memory is too small with the smallest blocks, too.
    """
    while True:
        try:
            return work()
        except torch.OutOfMemoryError as error:
            if _Halved.times == MOST_HALVINGS:
                raise
            _Halved.times += 1
            scores = GPU_BLOCK_SCORES >> _Halved.times
            log.warning("Blocks of %d scores from here on: %s", scores, ". ".join(str(error).split(". ")[:2]))
        # Here, where the error no longer holds what the work had so far.
        gc.collect()
        torch.cuda.empty_cache()


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
