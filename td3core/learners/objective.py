"""Which steps of a sequence a learner has to predict in training."""

from typing import NamedTuple, Protocol, final, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

_SHARE = 0.2
_CROPPED = 0.5


class Supervision(NamedTuple):
    """Steps to predict, and how much of each sequence stands around them."""

    positions: Int[Tensor, "*rows supervised"] | None
    """Steps t >= 1; None: every one. Where a sequence has fewer than others, its rest points at its padding."""
    lengths: Int[Tensor, "*rows"] | None
    """Steps from here on are padding; None: all are real."""


@runtime_checkable
class Objective(Protocol):
    """How the steps to predict are drawn."""

    @property
    def passes(self) -> int:
        """Draws after which each step was supervised about once: what an epoch is."""
        ...

    def draw(
        self,
        rows: tuple[int, ...],
        *,
        length: int,
        lengths: Int[Tensor, "*rows"] | None = None,
        most: int | None = None,
        generator: torch.Generator,
    ) -> Supervision:
        """Draw at most `most` steps of each sequence, padded from `lengths` to `length`; None: all are real."""
        ...


@final
class NextItem:
    """Every step at once, or a random choice: a causal learner sees nothing of the step it has to predict."""

    passes = 1

    def draw(
        self,
        rows: tuple[int, ...],
        *,
        length: int,
        lengths: Int[Tensor, "*rows"] | None = None,
        most: int | None = None,
        generator: torch.Generator,
    ) -> Supervision:
        """Draw distinct steps."""
        if most is None or most >= length - 1:
            return Supervision(None, lengths)
        order = torch.rand(*rows, length - 1, generator=generator, device=generator.device).argsort(-1)
        return Supervision(order[..., :most] + 1, lengths)


@final
class MaskedItem:
    """A share of the steps, the last always among them: what is hidden for one step is hidden for all.

    Sun et al., "BERT4Rec", CIKM 2019, arXiv 1904.06690, section 3.5: a share is hidden (rho = 0.2 for MovieLens), and
    against the mismatch between filling gaps and predicting what comes next, some samples hide the last item alone.
    Here every sample hides it, beside the others, so that none is spent on a single step; and half of the sequences
    are cropped at random, so that every step is once the last. The authors make such samples of the prefixes.
    """

    passes = round(1 / _SHARE)

    def draw(
        self,
        rows: tuple[int, ...],
        *,
        length: int,
        lengths: Int[Tensor, "*rows"] | None = None,
        most: int | None = None,
        generator: torch.Generator,
    ) -> Supervision:
        """Draw lengths, then the last step and random others."""
        device = generator.device
        if lengths is None:
            lengths = torch.full(rows, length, device=device)
        cropped = 2 + (torch.rand(rows, generator=generator, device=device) * (lengths - 1)).long()
        crop = torch.rand(rows, generator=generator, device=device) < _CROPPED
        lengths = torch.where(crop, cropped, lengths).minimum(lengths)
        counts = (_SHARE * lengths).round().long().clamp(min=1, max=most)
        steps = torch.arange(1, length, device=device)
        order = torch.rand(*rows, length - 1, generator=generator, device=device)
        order.masked_fill_(steps == lengths[..., None] - 1, -1.0)
        order.masked_fill_(steps >= lengths[..., None], 2.0)
        drawn = order.argsort(-1)[..., : int(counts.max())] + 1
        chosen = torch.arange(drawn.shape[-1], device=device) < counts[..., None]
        return Supervision(drawn.where(chosen, length - 1), lengths)
