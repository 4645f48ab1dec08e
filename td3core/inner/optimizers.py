"""Optimizers of the inner loop: pure functions, each with its own derivative.

A derivative written by hand is a handful of operations, and finite where a second moment is zero (autograd would give
`inf * 0` there).
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol, final, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


class OptimizerState(NamedTuple):
    """What the optimizers of several learners remember."""

    moments: tuple[Float[Tensor, "learners parameters"], ...]
    step: Int[Tensor, " learners"]
    """Steps taken: the learner's age."""


class Adjoint(NamedTuple):
    """Derivatives of an outer loss by what went into a step."""

    parameters: Float[Tensor, "learners parameters"]
    moments: tuple[Float[Tensor, "learners parameters"], ...]

    @classmethod
    def of(cls, parameters: Float[Tensor, "learners parameters"], moments: int) -> "Adjoint":
        """Start from the derivative by the weights alone: the outer loss does not see the moments."""
        return cls(parameters, tuple(torch.zeros_like(parameters) for _ in range(moments)))


class Pulled(NamedTuple):
    """Derivatives pulled back through one step."""

    by_gradient: Float[Tensor, "learners parameters"]
    adjoint: Adjoint
    """By weights and moments before the step; by the weights directly, the gradient held fixed."""
    by_lr: Float[Tensor, "learners 1"]


@runtime_checkable
class Optimizer(Protocol):
    """One step of gradient descent, forwards and backwards."""

    @property
    def moments(self) -> int:
        """How many tensors of the weights' shape it remembers."""
        ...

    def step(
        self,
        gradient: Float[Tensor, "learners parameters"],
        state: OptimizerState,
        parameters: Float[Tensor, "learners parameters"],
        *,
        lr: Float[Tensor, "learners 1"],
    ) -> tuple[Float[Tensor, "learners parameters"], OptimizerState]:
        """Return weights and state after a step."""
        ...

    def pull_back(
        self,
        adjoint: Adjoint,
        gradient: Float[Tensor, "learners parameters"],
        state: OptimizerState,
        parameters: Float[Tensor, "learners parameters"],
        *,
        lr: Float[Tensor, "learners 1"],
    ) -> Pulled:
        """Pull derivatives back: `gradient` and `parameters` went into the step, `state` came out of it."""
        ...


def initial_state(optimizer: Optimizer, parameters: Float[Tensor, "learners parameters"]) -> OptimizerState:
    """Return the state before the first step."""
    steps = torch.zeros(parameters.shape[0], dtype=torch.int64, device=parameters.device)
    return OptimizerState(tuple(torch.zeros_like(parameters) for _ in range(optimizer.moments)), steps)


@final
@dataclass(frozen=True)
class Adam:
    """Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, arXiv 1412.6980, Algorithm 1.

    Weight decay is added to the gradient; equal to `torch.optim.Adam` with its default betas and epsilon.
    """

    weight_decay: float = 0.0
    moments = 2

    def step(
        self,
        gradient: Float[Tensor, "learners parameters"],
        state: OptimizerState,
        parameters: Float[Tensor, "learners parameters"],
        *,
        lr: Float[Tensor, "learners 1"],
    ) -> tuple[Float[Tensor, "learners parameters"], OptimizerState]:
        """Return weights and state after a step."""
        first, second = state.moments
        gradient = torch.add(gradient, parameters, alpha=self.weight_decay)
        first = torch.lerp(gradient, first, _BETA1)
        second = torch.addcmul(_BETA2 * second, gradient, gradient, value=1 - _BETA2)
        state = OptimizerState((first, second), state.step + 1)
        correction1, root = self._corrections(state)
        return torch.addcdiv(parameters, first * (-lr / correction1), root + _EPSILON), state

    def pull_back(
        self,
        adjoint: Adjoint,
        gradient: Float[Tensor, "learners parameters"],
        state: OptimizerState,
        parameters: Float[Tensor, "learners parameters"],
        *,
        lr: Float[Tensor, "learners 1"],
    ) -> Pulled:
        """Pull derivatives back through one step."""
        gradient = torch.add(gradient, parameters, alpha=self.weight_decay)
        correction1, root = self._corrections(state)
        correction2 = 1 - _BETA2 ** state.step.to(root.dtype)[:, None]
        denominator = root + _EPSILON
        by_step = adjoint.parameters / (-correction1 * denominator)
        by_lr = (by_step * state.moments[0]).sum(1, keepdim=True)
        pulled = lr * by_step
        first = adjoint.moments[0] + pulled
        by_root = torch.where(
            root > 0, pulled * state.moments[0] / (2 * root * denominator * correction2), 0.0
        )
        second = adjoint.moments[1] - by_root
        by_gradient = (1 - _BETA1) * first + 2 * (1 - _BETA2) * gradient * second
        by_parameters = torch.add(adjoint.parameters, by_gradient, alpha=self.weight_decay)
        return Pulled(by_gradient, Adjoint(by_parameters, (_BETA1 * first, _BETA2 * second)), by_lr)

    @staticmethod
    def _corrections(state: OptimizerState) -> tuple[Tensor, Tensor]:
        """Return 1 - beta1^t and sqrt(v_t / (1 - beta2^t)), the bias-corrected root."""
        first, second = state.moments
        step = state.step.to(first.dtype)[:, None]
        return 1 - _BETA1**step, (second / (1 - _BETA2**step)).sqrt()


@final
@dataclass(frozen=True)
class SGD:
    """Gradient descent with (heavy-ball) momentum; equal to `torch.optim.SGD` without dampening.

    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
    """

    momentum: float = 0.9
    weight_decay: float = 0.0
    moments = 1

    def step(
        self,
        gradient: Float[Tensor, "learners parameters"],
        state: OptimizerState,
        parameters: Float[Tensor, "learners parameters"],
        *,
        lr: Float[Tensor, "learners 1"],
    ) -> tuple[Float[Tensor, "learners parameters"], OptimizerState]:
        """Return weights and state after a step."""
        (velocity,) = state.moments
        gradient = torch.add(gradient, parameters, alpha=self.weight_decay)
        velocity = torch.add(gradient, velocity, alpha=self.momentum)
        return parameters - lr * velocity, OptimizerState((velocity,), state.step + 1)

    def pull_back(
        self,
        adjoint: Adjoint,
        gradient: Float[Tensor, "learners parameters"],
        state: OptimizerState,
        parameters: Float[Tensor, "learners parameters"],
        *,
        lr: Float[Tensor, "learners 1"],
    ) -> Pulled:
        """Pull derivatives back through one step."""
        by_lr = -(adjoint.parameters * state.moments[0]).sum(1, keepdim=True)
        by_gradient = adjoint.moments[0] - lr * adjoint.parameters
        by_parameters = torch.add(adjoint.parameters, by_gradient, alpha=self.weight_decay)
        return Pulled(by_gradient, Adjoint(by_parameters, (self.momentum * by_gradient,)), by_lr)
