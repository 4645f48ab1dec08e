import pytest
import torch

from td3core.adam import AdamAdjoint, AdamState, adam_step, adam_step_vjp


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_equals_torch_optim_adam(weight_decay: float) -> None:
    parameters = random(3, 7, seed=1)
    reference = parameters.clone().requires_grad_()
    optimizer = torch.optim.Adam([reference], lr=0.01, weight_decay=weight_decay)
    state = AdamState.initial(parameters)
    for step in range(20):
        gradient = random(3, 7, seed=step + 2)
        reference.grad = gradient.clone()
        optimizer.step()
        parameters, state = adam_step(gradient, state, parameters, lr=0.01, weight_decay=weight_decay)
        torch.testing.assert_close(parameters, reference.detach(), rtol=1e-12, atol=1e-12)


def test_derivative_equals_autograd() -> None:
    inputs = [random(2, 5, seed=seed) for seed in range(4)]
    parameters, gradient, first, second = (tensor.requires_grad_() for tensor in inputs)
    state = AdamState(first, second.square(), torch.tensor([1, 7]))
    moved, after = adam_step(gradient, state, parameters, lr=0.01, weight_decay=0.1)
    adjoint = AdamAdjoint(*(random(2, 5, seed=seed) for seed in range(4, 7)))
    outer = (moved * adjoint.parameters + after.first * adjoint.first + after.second * adjoint.second).sum()
    by_gradient, by_parameters, by_first, by_second = torch.autograd.grad(
        outer, (gradient, parameters, first, state.second)
    )
    detached = AdamState(*(tensor.detach() for tensor in after))
    found, pulled = adam_step_vjp(
        adjoint, gradient.detach(), detached, parameters.detach(), lr=0.01, weight_decay=0.1
    )
    torch.testing.assert_close(found, by_gradient)
    torch.testing.assert_close(pulled.parameters, by_parameters)
    torch.testing.assert_close(pulled.first, by_first)
    torch.testing.assert_close(pulled.second, by_second)


def test_derivative_is_finite_where_the_gradient_is_zero() -> None:
    parameters = torch.ones(1, 4)
    zero = torch.zeros(1, 4)
    _, state = adam_step(zero, AdamState.initial(parameters), parameters, lr=0.1)
    adjoint = AdamAdjoint(torch.ones(1, 4), zero, zero)
    by_gradient, pulled = adam_step_vjp(adjoint, zero, state, parameters, lr=0.1)
    for tensor in (by_gradient, *pulled):
        assert tensor.isfinite().all()
