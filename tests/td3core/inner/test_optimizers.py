import math

import pytest
import torch

from td3core.inner.optimizers import SGD, Adam, Adjoint, Optimizer, OptimizerState, initial_state
from td3core.schedules import Schedule

DECAY = 0.1


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=["adam", "sgd"])
def optimizer(request: pytest.FixtureRequest) -> Optimizer:
    return Adam(weight_decay=DECAY) if request.param == "adam" else SGD(momentum=0.8, weight_decay=DECAY)


def test_equals_torch_optim(optimizer: Optimizer) -> None:
    parameters = random(3, 7, seed=1)
    reference = parameters.clone().requires_grad_()
    theirs = (
        torch.optim.Adam([reference], lr=0.01, weight_decay=DECAY)
        if isinstance(optimizer, Adam)
        else torch.optim.SGD([reference], lr=0.01, momentum=0.8, weight_decay=DECAY)
    )
    lr = torch.full((3, 1), 0.01, dtype=torch.float64)
    state = initial_state(optimizer, parameters)
    for step in range(20):
        gradient = random(3, 7, seed=step + 2)
        reference.grad = gradient.clone()
        theirs.step()
        parameters, state = optimizer.step(gradient, state, parameters, lr=lr)
        torch.testing.assert_close(parameters, reference.detach(), rtol=1e-12, atol=1e-12)


def test_derivative_equals_autograd(optimizer: Optimizer) -> None:
    parameters, gradient, *moments = (random(2, 5, seed=seed) for seed in range(2 + optimizer.moments))
    if isinstance(optimizer, Adam):
        moments[1] = moments[1].square()
    lr = torch.tensor([[0.01], [0.03]], dtype=torch.float64)
    leaves = [tensor.requires_grad_() for tensor in (gradient, parameters, lr, *moments)]
    moved, after = optimizer.step(
        gradient, OptimizerState(tuple(moments), torch.tensor([1, 7])), parameters, lr=lr
    )
    adjoint = Adjoint(
        random(2, 5, seed=8), tuple(random(2, 5, seed=9 + kind) for kind in range(optimizer.moments))
    )
    outer = (moved * adjoint.parameters).sum()
    for out, by_out in zip(after.moments, adjoint.moments, strict=True):
        outer = outer + (out * by_out).sum()
    by_gradient, by_parameters, by_lr, *by_moments = torch.autograd.grad(outer, leaves)
    detached = OptimizerState(tuple(moment.detach() for moment in after.moments), after.step)
    pulled = optimizer.pull_back(adjoint, gradient.detach(), detached, parameters.detach(), lr=lr.detach())
    torch.testing.assert_close(pulled.by_gradient, by_gradient)
    torch.testing.assert_close(pulled.adjoint.parameters, by_parameters)
    torch.testing.assert_close(pulled.by_lr, by_lr)
    for ours, theirs in zip(pulled.adjoint.moments, by_moments, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_derivative_is_finite_where_the_gradient_is_zero() -> None:
    parameters, zero, lr = torch.ones(1, 4), torch.zeros(1, 4), torch.full((1, 1), 0.1)
    adam = Adam()
    _, state = adam.step(zero, initial_state(adam, parameters), parameters, lr=lr)
    pulled = adam.pull_back(Adjoint(torch.ones(1, 4), (zero, zero)), zero, state, parameters, lr=lr)
    for tensor in (pulled.by_gradient, pulled.adjoint.parameters, *pulled.adjoint.moments, pulled.by_lr):
        assert tensor.isfinite().all()


def test_cosine_falls_with_age_and_stays_at_its_end() -> None:
    schedule = Schedule(0.5, "cosine", 100)
    found = schedule.at(torch.tensor([0, 50, 100, 130]), torch.float64).flatten().tolist()
    halfway = 0.5 * (0.02 + 0.98 * (1 + math.cos(math.pi / 2)) / 2)
    assert found == pytest.approx([0.5, halfway, 0.01, 0.01])


def test_constant_is_the_same_at_every_age() -> None:
    assert Schedule(0.5, "constant", 10).at(torch.tensor([0, 7]), torch.float32).tolist() == [[0.5], [0.5]]
