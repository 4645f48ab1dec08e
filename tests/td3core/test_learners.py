"""What every learner promises; a new one joins the list below."""

import pytest
import torch

from td3core.config import LearnerConfig
from td3core.learners import Dropout, Learner, build_learner

CONFIGS = [
    LearnerConfig(embedding_size=8, inner_size=12, max_length=7),
    LearnerConfig(embedding_size=6, layers=2, heads=3, inner_size=5, max_length=9),
]


@pytest.fixture(params=CONFIGS, ids=lambda config: f"{config.kind}-{config.layers}x{config.heads}")
def learner(request: pytest.FixtureRequest) -> Learner:
    return build_learner(request.param)


def fresh(learner: Learner, learners: int, generator: torch.Generator) -> torch.Tensor:
    return learner.initialise(learners, generator=generator, dtype=torch.float64, device=torch.device("cpu"))


def embedded(learner: Learner, *shape: int, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(*shape, learner.embedding_size, dtype=torch.float64, generator=generator)


def test_never_sees_the_future(learner: Learner, generator: torch.Generator) -> None:
    parameters = fresh(learner, 1, generator)
    sequences = embedded(learner, 1, 3, 6, generator=generator)
    changed = sequences.clone()
    changed[:, :, 4:] = changed[:, :, 4:].flip(-1)
    before, after = learner(parameters, sequences), learner(parameters, changed)
    torch.testing.assert_close(before[:, :, :4], after[:, :, :4])
    assert not torch.allclose(before[:, :, 4:], after[:, :, 4:])


def test_shorter_sequences_and_padded_ones_agree(learner: Learner, generator: torch.Generator) -> None:
    parameters = fresh(learner, 1, generator)
    padded = embedded(learner, 1, 3, 6, generator=generator)
    torch.testing.assert_close(learner(parameters, padded[:, :, :3]), learner(parameters, padded)[:, :, :3])


def test_sees_the_past_in_order(learner: Learner, generator: torch.Generator) -> None:
    parameters = fresh(learner, 1, generator) + 0.3 * torch.randn(
        1, learner.layout.size, dtype=torch.float64, generator=generator
    )
    sequences = embedded(learner, 1, 1, 5, generator=generator)
    swapped = sequences[:, :, [1, 0, 2, 3, 4]]
    assert not torch.allclose(
        learner(parameters, sequences)[:, :, -1], learner(parameters, swapped)[:, :, -1]
    )


def test_several_learners_at_once_equal_one_after_the_other(
    learner: Learner, generator: torch.Generator
) -> None:
    parameters = fresh(learner, 3, generator)
    sequences = embedded(learner, 3, 2, 5, generator=generator)
    together = learner(parameters, sequences)
    for row in range(3):
        alone = learner(parameters[row : row + 1], sequences[row : row + 1])
        torch.testing.assert_close(alone[0], together[row])


def test_gradients_of_both_orders(learner: Learner, generator: torch.Generator) -> None:
    parameters = fresh(learner, 1, generator).requires_grad_()
    sequences = embedded(learner, 1, 1, 3, generator=generator).requires_grad_()
    assert torch.autograd.gradcheck(learner, (parameters, sequences), fast_mode=True)
    assert torch.autograd.gradgradcheck(learner, (parameters, sequences), fast_mode=True)


def test_layout_splits_the_whole_vector(learner: Learner, generator: torch.Generator) -> None:
    parameters = fresh(learner, 2, generator)
    weights = learner.layout.split(parameters)
    assert sum(weight[0].numel() for weight in weights.values()) == learner.layout.size == parameters.shape[1]
    assert {name: tuple(w.shape[1:]) for name, w in weights.items()} == dict(learner.layout.shapes)


def test_every_weight_matters(learner: Learner, generator: torch.Generator) -> None:
    """No weight has a gradient that is zero by construction: Adam's derivative would explode there."""
    parameters = fresh(learner, 1, generator).requires_grad_()
    sequences = embedded(learner, 1, 4, learner.max_length, generator=generator)
    output = learner(parameters, sequences)
    weights = torch.randn(output.shape, dtype=torch.float64, generator=generator)
    (gradient,) = torch.autograd.grad((output * weights).sum(), parameters)
    for name, part in learner.layout.split(gradient).items():
        assert part.abs().amax() > 1e-9, name


def test_dropout_follows_its_generator_and_keeps_the_mean() -> None:
    ones = torch.ones(200_000)
    first = Dropout(0.3, torch.Generator().manual_seed(1))(ones)
    again = Dropout(0.3, torch.Generator().manual_seed(1))(ones)
    assert torch.equal(first, again)
    assert abs(float(first.mean()) - 1) < 0.01
    assert abs(float((first == 0).float().mean()) - 0.3) < 0.01
    assert Dropout(0.0, torch.Generator())(ones) is ones
