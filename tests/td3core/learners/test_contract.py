"""What every learner promises; a new one joins the lists below, and meets a reference in `test_references`."""

import pytest
import torch

from td3core.config import LearnerConfig
from td3core.learners import Dropout, Learner, build_learner

SHAPES = [
    {"embedding_size": 8, "inner_size": 12, "max_length": 8},
    {"embedding_size": 6, "layers": 2, "heads": 3, "inner_size": 5, "max_length": 10},
]
CAUSAL = [LearnerConfig(kind=kind, **shape) for kind in ("sasrec", "gru4rec", "narm") for shape in SHAPES]
MASKED = [LearnerConfig(kind="bert4rec", **shape) for shape in SHAPES]


def named(config: LearnerConfig) -> str:
    return f"{config.kind}-{config.layers}x{config.embedding_size}"


@pytest.fixture(params=CAUSAL + MASKED, ids=named)
def learner(request: pytest.FixtureRequest) -> Learner:
    return build_learner(request.param)


@pytest.fixture(params=CAUSAL, ids=named)
def causal(request: pytest.FixtureRequest) -> Learner:
    return build_learner(request.param)


@pytest.fixture(params=MASKED, ids=named)
def masked(request: pytest.FixtureRequest) -> Learner:
    return build_learner(request.param)


def weights_of(learner: Learner, learners: int, generator: torch.Generator) -> torch.Tensor:
    """Weights in general position: fresh ones hardly use what they have not learned to."""
    drawn = learner.initialise(learners, generator=generator, dtype=torch.float64, device=torch.device("cpu"))
    return drawn + 0.3 * torch.randn(drawn.shape, dtype=torch.float64, generator=generator)


def embedded(learner: Learner, *shape: int, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(*shape, learner.embedding_size, dtype=torch.float64, generator=generator)


def test_never_sees_the_step_it_is_asked_for(learner: Learner, generator: torch.Generator) -> None:
    parameters = weights_of(learner, 1, generator)
    sequences = embedded(learner, 1, 3, 6, generator=generator)
    positions = torch.tensor([[[2], [5], [1]]])
    before = learner(parameters, sequences, positions)
    for row, step in enumerate((2, 5, 1)):
        changed = sequences.clone()
        changed[0, row, step] = changed[0, row, step].flip(-1)
        torch.testing.assert_close(learner(parameters, changed, positions), before)
        changed[0, row, 0] = changed[0, row, 0].flip(-1)
        assert not torch.allclose(learner(parameters, changed, positions)[0, row], before[0, row])


def test_causal_learners_never_see_the_future(causal: Learner, generator: torch.Generator) -> None:
    parameters = weights_of(causal, 1, generator)
    sequences = embedded(causal, 1, 3, 6, generator=generator)
    changed = sequences.clone()
    changed[:, :, 3:] = changed[:, :, 3:].flip(-1)
    before, after = causal(parameters, sequences), causal(parameters, changed)  # of the steps 1 to 5
    torch.testing.assert_close(before[:, :, :3], after[:, :, :3])
    assert not torch.allclose(before[:, :, 3:], after[:, :, 3:])


def test_causal_learners_answer_the_same_however_much_is_asked(
    causal: Learner, generator: torch.Generator
) -> None:
    parameters = weights_of(causal, 2, generator)
    sequences = embedded(causal, 2, 3, 6, generator=generator)
    positions = torch.randint(1, 6, (2, 3, 2), generator=generator)
    everything = causal(parameters, sequences)
    for index in torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(2)):
        row, user, question = index.tolist()
        torch.testing.assert_close(
            causal(parameters, sequences, positions)[row, user, question],
            everything[row, user, positions[row, user, question] - 1],
        )


def test_masked_learners_see_both_sides_but_nothing_hidden(
    masked: Learner, generator: torch.Generator
) -> None:
    parameters = weights_of(masked, 1, generator)
    sequences = embedded(masked, 1, 1, 6, generator=generator)
    positions = torch.tensor([[[2, 4]]])
    before = masked(parameters, sequences, positions)
    for step in range(6):
        changed = sequences.clone()
        changed[:, :, step] = changed[:, :, step].flip(-1)
        same = torch.allclose(masked(parameters, changed, positions), before)
        assert same == (step in (2, 4))


def test_padding_is_inert(learner: Learner, generator: torch.Generator) -> None:
    parameters = weights_of(learner, 1, generator)
    padded = embedded(learner, 1, 3, 6, generator=generator)
    lengths = torch.tensor([[3, 6, 4]])
    positions = torch.tensor(
        [[[2, 5], [2, 5], [1, 3]]]
    )  # a question about padding has no answer, and does no harm
    together = learner(parameters, padded, positions, lengths=lengths)
    alone = learner(parameters, padded[:, :1, :3], positions[:, :1, :1])
    torch.testing.assert_close(together[:, :1, :1], alone)
    torch.testing.assert_close(together[:, 1:2], learner(parameters, padded[:, 1:2], positions[:, 1:2]))
    torch.testing.assert_close(together[:, 2:], learner(parameters, padded[:, 2:, :4], positions[:, 2:]))


def test_sees_the_past_in_order(learner: Learner, generator: torch.Generator) -> None:
    parameters = weights_of(learner, 1, generator)
    sequences = embedded(learner, 1, 1, 6, generator=generator)
    swapped, last = sequences[:, :, [1, 0, 2, 3, 4, 5]], torch.tensor([[[5]]])
    assert not torch.allclose(learner(parameters, sequences, last), learner(parameters, swapped, last))


def test_several_learners_at_once_equal_one_after_the_other(
    learner: Learner, generator: torch.Generator
) -> None:
    parameters = weights_of(learner, 3, generator)
    sequences = embedded(learner, 3, 2, 5, generator=generator)
    positions = torch.randint(1, 5, (3, 2, 2), generator=generator)
    lengths = torch.tensor([[5, 4]])
    together = learner(parameters, sequences, positions, lengths=lengths)
    for row in range(3):
        one = slice(row, row + 1)
        alone = learner(parameters[one], sequences[one], positions[one], lengths=lengths)
        torch.testing.assert_close(alone[0], together[row])


def test_one_set_of_questions_serves_all_learners(learner: Learner, generator: torch.Generator) -> None:
    parameters = weights_of(learner, 3, generator)
    sequences = embedded(learner, 1, 2, 5, generator=generator).expand(3, -1, -1, -1)
    positions = torch.tensor([[[1, 3], [4, 2]]])
    torch.testing.assert_close(
        learner(parameters, sequences, positions), learner(parameters, sequences, positions.expand(3, -1, -1))
    )


@pytest.mark.parametrize(("batch", "length"), [(1, 2), (4, 3), (2, None)])
def test_reads_any_batch_and_length(
    learner: Learner, batch: int, length: int | None, generator: torch.Generator
) -> None:
    length = length or learner.max_length + 1  # the longest history, and the step to predict
    sequences = embedded(learner, 2, batch, length, generator=generator)
    parameters = weights_of(learner, 2, generator)
    last = torch.full((2, batch, 1), length - 1)
    assert learner(parameters, sequences, last).shape == (2, batch, 1, learner.embedding_size)
    assert learner(parameters, sequences).shape == (2, batch, length - 1, learner.embedding_size)


def test_gradients_of_both_orders(learner: Learner, generator: torch.Generator) -> None:
    parameters = weights_of(learner, 1, generator).requires_grad_()
    sequences = embedded(learner, 1, 2, 4, generator=generator).requires_grad_()
    positions, lengths = torch.tensor([[[3, 1], [2, 3]]]), torch.tensor([[4, 3]])

    def answers(parameters: torch.Tensor, sequences: torch.Tensor) -> torch.Tensor:
        return learner(parameters, sequences, positions, lengths=lengths)

    assert torch.autograd.gradcheck(answers, (parameters, sequences), fast_mode=True)
    assert torch.autograd.gradgradcheck(answers, (parameters, sequences), fast_mode=True)


def test_layout_splits_the_whole_vector(learner: Learner, generator: torch.Generator) -> None:
    parameters = weights_of(learner, 2, generator)
    weights = learner.layout.split(parameters)
    assert sum(weight[0].numel() for weight in weights.values()) == learner.layout.size == parameters.shape[1]
    assert {name: tuple(w.shape[1:]) for name, w in weights.items()} == dict(learner.layout.shapes)


def test_every_weight_matters(learner: Learner, generator: torch.Generator) -> None:
    """No weight has a gradient that is zero by construction: Adam's derivative would explode there."""
    parameters = learner.initialise(
        1, generator=generator, dtype=torch.float64, device=torch.device("cpu")
    ).requires_grad_()
    length = learner.max_length + 1
    sequences = embedded(learner, 1, 4, length, generator=generator)
    supervised = learner.objective.draw((1, 4), length=length, generator=generator)
    output = learner(parameters, sequences, supervised.positions, lengths=supervised.lengths)
    weights = torch.randn(output.shape, dtype=torch.float64, generator=generator)
    (gradient,) = torch.autograd.grad((output * weights).sum(), parameters)
    for name, part in learner.layout.split(gradient).items():
        assert part.abs().amax() > 1e-9, name


def test_drops_in_training_only(learner: Learner, generator: torch.Generator) -> None:
    parameters = weights_of(learner, 1, generator)
    sequences = embedded(learner, 1, 2, 5, generator=generator)
    first, again, other = (
        learner(parameters, sequences, dropout=Dropout(0.5, torch.Generator().manual_seed(seed)))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert torch.equal(learner(parameters, sequences), learner(parameters, sequences))


def test_dropout_follows_its_generator_and_keeps_the_mean() -> None:
    ones = torch.ones(200_000)
    first = Dropout(0.3, torch.Generator().manual_seed(1))(ones)
    again = Dropout(0.3, torch.Generator().manual_seed(1))(ones)
    assert torch.equal(first, again)
    assert abs(float(first.mean()) - 1) < 0.01
    assert abs(float((first == 0).float().mean()) - 0.3) < 0.01
    assert Dropout(0.0, torch.Generator())(ones) is ones
