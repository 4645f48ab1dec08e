"""The direct formulation, written as plainly as the paper states it: the reference for the fast one.

S is built from the factors inside the graph, the loss is the KL divergence over all items, the inner loop is unrolled
with ordinary autograd, and Adam is spelled out.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from td3core.factors import Factors, FarziFactors, TuckerFactors
from td3core.inner.unroll import Batch
from td3core.learners import Learner


def direct_summary(factors: Factors, items: Tensor) -> Tensor:
    """S = softmax(G x1 U x2 T x3 V), or softmax(D M / tau)."""
    match factors:
        case TuckerFactors(core, users, time):
            logits = torch.einsum("abc,ma,tb,ic->mti", core, users, time, items)
        case FarziFactors(latents, decoder, temperature):
            logits = torch.einsum("mtd,id->mti", latents, decoder) / temperature
        case _:
            raise TypeError(f"there is no direct formulation of {type(factors).__name__}")
    return logits.softmax(-1)


def direct_loss(
    learner: Learner,
    parameters: Tensor,
    items: Tensor,
    summary: Tensor,
    batch: Batch,
    targets: Tensor | None = None,
) -> Tensor:
    """KL(S_t || softmax(o V^T)) at the supervised positions t, averaged, summed over learners; or of other targets."""
    soft = summary[batch.users]  # (learners, batch, length, items)
    outputs = learner(parameters, soft @ items, batch.positions, lengths=batch.lengths)
    targets = (summary if targets is None else targets)[batch.users]
    if batch.positions is None:
        targets = targets[:, :, 1:]
    else:
        targets = torch.stack(
            [
                torch.stack([user[steps] for user, steps in zip(*row, strict=True)])
                for row in zip(targets, batch.positions, strict=True)
            ]
        )
    log_predicted = (outputs @ items.T).log_softmax(-1)
    divergence = functional.kl_div(log_predicted, targets, reduction="none").sum(-1)
    if batch.lengths is None:
        return divergence.mean((1, 2)).sum()
    assert batch.positions is not None
    real = batch.positions < batch.lengths[:, :, None]
    return torch.stack([row[counts].mean() for row, counts in zip(divergence, real, strict=True)]).sum()


def direct_unroll(
    learner: Learner,
    factors: Factors,
    items: Tensor,
    parameters: Tensor,
    batches: Sequence[Batch],
    *,
    lr: float,
    weight_decay: float,
    targets: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Weights after the inner loop, with the whole graph behind them; S, and what follows from it, anew at every step.

    `targets` makes of S the distributions to predict, of the same shape; None: S itself.
    """
    first, second = torch.zeros_like(parameters), torch.zeros_like(parameters)
    for step, batch in enumerate(batches, start=1):
        summary = direct_summary(factors, items)
        told = None if targets is None else targets(summary)
        loss = direct_loss(learner, parameters, items, summary, batch, told)
        (gradient,) = torch.autograd.grad(loss, parameters, create_graph=True)
        gradient = gradient + weight_decay * parameters
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        root = (second / (1 - 0.999**step)).sqrt()
        parameters = parameters - lr * (first / (1 - 0.9**step)) / (root + 1e-8)
    return parameters
