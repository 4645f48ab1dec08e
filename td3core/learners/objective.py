"""Which steps of a sequence a learner is asked for in training."""

from typing import Protocol, final

import torch
from jaxtyping import Int
from torch import Tensor

_SHARE = 0.2


class Objective(Protocol):
    """How the steps to predict are drawn."""

    def draw(
        self,
        lengths: Int[Tensor, "*rows"],
        *,
        length: int,
        most: int | None = None,
        generator: torch.Generator,
    ) -> Int[Tensor, "*rows supervised"] | None:
        """Draw at most `most` steps t >= 1 of each sequence, padded from `lengths` to `length`.

        None asks for every step but the first. Where a sequence has fewer steps to ask for than others have, the
        rest of its row points at its padding.
        """
        ...


@final
class NextItem:
    """Every step at once, or a random choice: a causal learner sees nothing of the step it is asked for."""

    def draw(
        self,
        lengths: Int[Tensor, "*rows"],
        *,
        length: int,
        most: int | None = None,
        generator: torch.Generator,
    ) -> Int[Tensor, "*rows supervised"] | None:
        """Draw distinct steps."""
        if most is None or most >= length - 1:
            return None
        order = torch.rand(*lengths.shape, length - 1, generator=generator, device=lengths.device).argsort(-1)
        return order[..., :most] + 1


@final
class MaskedItem:
    """A share of the steps, the last always among them: what is hidden for one step is hidden for all.

    Sun et al., "BERT4Rec", CIKM 2019, arXiv 1904.06690, section 3.5: a share is hidden (rho = 0.2 for MovieLens), and
    against the mismatch between filling gaps and predicting what comes next, some samples hide the last item alone.
    Here every sample hides it, beside the others, so that none is spent on a single step.
    """

    def draw(
        self,
        lengths: Int[Tensor, "*rows"],
        *,
        length: int,
        most: int | None = None,
        generator: torch.Generator,
    ) -> Int[Tensor, "*rows supervised"]:
        """Draw the last step and random others."""
        counts = (_SHARE * lengths).round().long().clamp(min=1, max=most)
        steps = torch.arange(1, length, device=lengths.device)
        order = torch.rand(*lengths.shape, length - 1, generator=generator, device=lengths.device)
        order.masked_fill_(steps == lengths[..., None] - 1, -1.0)
        order.masked_fill_(steps >= lengths[..., None], 2.0)
        drawn = order.argsort(-1)[..., : int(counts.max())] + 1
        chosen = torch.arange(drawn.shape[-1], device=lengths.device) < counts[..., None]
        return drawn.where(chosen, length - 1)
