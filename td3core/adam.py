"""Adam as a pure function with its own derivative.

Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, arXiv 1412.6980, Algorithm 1, with L2 weight
decay added to the gradient as `torch.optim.Adam` does. The derivative is written by hand: a handful of operations, and
finite where a second moment is zero (autograd would give `inf * 0` there).
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


class AdamState(NamedTuple):
    """Moments and step count of several learners' optimizers."""

    first: Float[Tensor, "learners parameters"]
    second: Float[Tensor, "learners parameters"]
    step: Int[Tensor, " learners"]

    @classmethod
    def initial(cls, parameters: Float[Tensor, "learners parameters"]) -> "AdamState":
        """State before the first step."""
        steps = torch.zeros(parameters.shape[0], dtype=torch.int64, device=parameters.device)
        return cls(torch.zeros_like(parameters), torch.zeros_like(parameters), steps)


class AdamAdjoint(NamedTuple):
    """Derivatives of an outer loss by what went into a step."""

    parameters: Float[Tensor, "learners parameters"]
    first: Float[Tensor, "learners parameters"]
    second: Float[Tensor, "learners parameters"]


def adam_step(
    gradient: Float[Tensor, "learners parameters"],
    state: AdamState,
    parameters: Float[Tensor, "learners parameters"],
    *,
    lr: float,
    weight_decay: float = 0.0,
) -> tuple[Float[Tensor, "learners parameters"], AdamState]:
    """Take one step; equal to `torch.optim.Adam` with its default betas and epsilon."""
    gradient = torch.add(gradient, parameters, alpha=weight_decay)
    first = torch.lerp(gradient, state.first, _BETA1)
    second = torch.addcmul(_BETA2 * state.second, gradient, gradient, value=1 - _BETA2)
    state = AdamState(first, second, state.step + 1)
    correction1, root = _corrections(state)
    return torch.addcdiv(parameters, first / correction1, root + _EPSILON, value=-lr), state


def adam_step_vjp(
    adjoint: AdamAdjoint,
    gradient: Float[Tensor, "learners parameters"],
    state: AdamState,
    parameters: Float[Tensor, "learners parameters"],
    *,
    lr: float,
    weight_decay: float = 0.0,
) -> tuple[Float[Tensor, "learners parameters"], AdamAdjoint]:
    """Pull derivatives back through one step.

    `gradient` and `parameters` are what went into the step, `state` is what came out of it. Returns the derivative
    by the gradient, and those by parameters and moments (by parameters directly, the gradient held fixed).
    """
    gradient = torch.add(gradient, parameters, alpha=weight_decay)
    correction1, root = _corrections(state)
    correction2 = 1 - _BETA2 ** state.step.to(root.dtype)[:, None]
    denominator = root + _EPSILON
    pulled = adjoint.parameters * (-lr) / (correction1 * denominator)
    first = adjoint.first + pulled
    by_root = torch.where(root > 0, pulled * state.first / (2 * root * denominator * correction2), 0.0)
    second = adjoint.second - by_root
    by_gradient = (1 - _BETA1) * first + 2 * (1 - _BETA2) * gradient * second
    by_parameters = torch.add(adjoint.parameters, by_gradient, alpha=weight_decay)
    return by_gradient, AdamAdjoint(by_parameters, _BETA1 * first, _BETA2 * second)


def _corrections(state: AdamState) -> tuple[Tensor, Tensor]:
    """Return 1 - beta1^t and sqrt(v_t / (1 - beta2^t)), the bias-corrected root."""
    step = state.step.to(state.first.dtype)[:, None]
    return 1 - _BETA1**step, (state.second / (1 - _BETA2**step)).sqrt()
