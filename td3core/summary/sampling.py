"""Sampling discrete item sequences from a summary.

- *independent*: step t of synthetic user m is sampled from `S_{m,t}`, independently of the other steps. This loses the
  dependence between steps: the distributions are broad, so items that belong together occur together only by chance.
- *ancestral*: the first item is sampled from `S_{m,0}`, and each later one from the prediction of a learner that was
  trained on the summary, `softmax(V o / temperature)`, given the items before it. The learner has learned how the
  steps depend on each other, so the sequences are coherent.

Both need only the summary.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from td3core.catalogue import draw_sequences
from td3core.data import Histories
from td3core.factors import Factors, history_length
from td3core.learners import Learner
from td3core.ranking import predict_next


@torch.no_grad()
def draw_independent(
    factors: Factors,
    *,
    items: Float[Tensor, "items d3"],
    users: Int[Tensor, " sequences"],
    length: int,
    temperature: float,
    distinct: bool,
    generator: torch.Generator,
) -> Int[Tensor, "sequences length"]:
    """Sample the first `length` steps of each of these synthetic users, each step independently."""
    queries, keys = factors.queries(), factors.keys(items)

    def logits(rows: slice, drawn: Tensor) -> Tensor:
        return queries[users[rows], drawn.shape[1]] @ keys.T / temperature

    return draw_sequences(
        logits, len(users), length=length, items=len(items), distinct=distinct, generator=generator
    )


@torch.no_grad()
def draw_ancestral(
    factors: Factors,
    *,
    items: Float[Tensor, "items d3"],
    users: Int[Tensor, " sequences"],
    learner: Learner,
    parameters: Float[Tensor, "1 parameters"],
    length: int,
    temperature: float,
    first_temperature: float,
    distinct: bool,
    generator: torch.Generator,
) -> Int[Tensor, "sequences length"]:
    """Sample the first item of each of these synthetic users from `S_{m,0}`, and the others as the learner predicts.

    The learner reads at most as many items as precede the last step of the summary, because it was not trained on
    longer histories.
    """
    first, keys = factors.queries()[:, 0], factors.keys(items)
    latest = history_length(factors)

    def logits(rows: slice, drawn: Tensor) -> Tensor:
        if not drawn.shape[1]:
            return first[users[rows]] @ keys.T / first_temperature
        known = drawn[:, -latest:]
        lengths = torch.full((len(known),), known.shape[1], device=known.device)
        (outputs,) = predict_next(learner, parameters, items, Histories(known, lengths))
        return outputs @ items.T / temperature

    return draw_sequences(
        logits, len(users), length=length, items=len(items), distinct=distinct, generator=generator
    )
