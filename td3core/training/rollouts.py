"""Sequences that a trained learner makes up, one item after the other."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from td3core.catalogue import draw_sequences
from td3core.data import Histories, Sequences
from td3core.inner import Labeller
from td3core.ranking import predict_next

_GROUPS = 8  # of sequences of like lengths, which are sampled together
_NEVER = 1e-9  # the count of what was never seen, which is drawn where nothing else is left


@torch.no_grad()
def roll_out(
    labeller: Labeller,
    train: Sequences,
    n: int,
    *,
    length: int,
    distinct: bool,
    generator: torch.Generator,
) -> Int[Tensor, "n length"]:
    """Sample `n` sequences: first items as often as they are first in the log, the others as the labeller predicts.

    `distinct` sequences have no item twice, so that they are at most as long as the catalogue.
    """
    items = labeller.items
    firsts = train.items[train.offsets[:-1][train.lengths > 0]]
    first = log_counts(torch.from_numpy(np.bincount(firsts, minlength=len(items))).to(items))

    def logits(rows: slice, drawn: Int[Tensor, "sequences drawn"]) -> Float[Tensor, "sequences items"]:
        if not drawn.shape[1]:
            return first.expand(rows.stop - rows.start, -1)
        lengths = torch.full((len(drawn),), drawn.shape[1], device=drawn.device)
        (outputs,) = predict_next(labeller.learner, labeller.parameters, items, Histories(drawn, lengths))
        return outputs @ items.T

    return draw_sequences(logits, n, length=length, items=len(items), distinct=distinct, generator=generator)


def roll_out_as_log(
    labeller: Labeller,
    train: Sequences,
    steps: int,
    *,
    length: int,
    distinct: bool,
    generator: torch.Generator,
) -> Histories:
    """Sample about so many steps, in sequences as long as those of the log and the next item, or cut to `length`.

    On longer ones a learner would be told of histories that no user has, for which the labeller never learned anything.
    """
    device = labeller.items.device
    lengths = torch.from_numpy(train.lengths[train.lengths > 0] + 1).to(device).clamp(max=length)
    sequences = max(_GROUPS, round(steps / float(lengths.double().mean())))
    chosen = torch.randint(len(lengths), (sequences,), generator=generator, device=device)
    drawn = lengths[chosen].sort().values
    rows: list[Tensor] = []
    for group in drawn.chunk(_GROUPS):
        longest = int(group[-1])
        sampled = roll_out(
            labeller, train, len(group), length=longest, distinct=distinct, generator=generator
        )
        rows.append(functional.pad(sampled, (0, length - longest)))
    return Histories(torch.cat(rows), drawn)


def log_counts(counts: Float[Tensor, " items"]) -> Float[Tensor, " items"]:
    """Return scores by which items are drawn in proportion to their counts."""
    return counts.clamp(min=_NEVER).log()
