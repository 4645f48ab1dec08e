"""Sampling sequences of items, each next item from scores that the items so far give."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from td3core.catalogue.blocks import row_blocks

_SCORES_A_BLOCK = 1 << 26

Logits = Callable[[slice, Int[Tensor, "sequences drawn"]], Float[Tensor, "sequences items"]]
"""From the sequences' numbers and the items drawn so far to the scores of the next item."""


def draw_sequences(
    logits: Logits, sequences: int, *, length: int, items: int, distinct: bool, generator: torch.Generator
) -> Int[Tensor, "sequences length"]:
    """Sample step by step, in blocks of sequences whose scores over the whole catalogue fit into memory."""
    device = generator.device
    blocks: list[Tensor] = []
    for rows in row_blocks(sequences, items, scores=_SCORES_A_BLOCK):
        drawn = torch.empty(rows.stop - rows.start, 0, dtype=torch.int64, device=device)
        taken = torch.zeros(len(drawn), items, dtype=torch.bool, device=device)
        for _ in range(length):
            chances = logits(rows, drawn).masked_fill(taken, -torch.inf).softmax(-1)
            choice = torch.multinomial(chances, 1, generator=generator)
            drawn = torch.cat((drawn, choice), 1)
            if distinct:
                taken.scatter_(1, choice, True)
        blocks.append(drawn)
    return torch.cat(blocks)
