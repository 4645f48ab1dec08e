"""What factors of every kind must do."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from td3core.config import SummaryConfig, SummaryKind
from td3core.factors import (
    Factors,
    FarziFactors,
    expected_embeddings,
    factor_shapes,
    initial_factors,
    map_tensors,
    named_factors,
    soft_sequences,
)

SIZES: dict[SummaryKind, dict] = {
    "tucker": {"rank_users": 2, "rank_time": 3},
    "farzi": {"rank": 5, "temperature": 0.7},
}


@pytest.fixture(params=list(SIZES))
def config(request: pytest.FixtureRequest) -> SummaryConfig:
    return SummaryConfig(kind=request.param, users=4, length=6, **SIZES[request.param])


@pytest.fixture
def factors(config: SummaryConfig, items: torch.Tensor, generator: torch.Generator) -> Factors:
    return initial_factors(config, items=items, generator=generator)


def drawn_factors(
    kind: SummaryKind, seed: int, *, mu: int, zeta: int, n_items: int, scale: float
) -> tuple[Factors, torch.Tensor]:
    """Factors of any size, and their item factor; a large scale leaves some steps a single item."""
    generator = torch.Generator().manual_seed(seed)
    items = torch.randn(n_items, 8, dtype=torch.float64, generator=generator)
    factors = initial_factors(
        SummaryConfig(kind=kind, users=mu, length=zeta), items=items, generator=generator
    )
    return map_tensors(factors, lambda tensor: tensor * scale), items


every_summary = given(
    seed=st.integers(0, 2**31),
    mu=st.integers(1, 6),
    zeta=st.integers(2, 6),
    n_items=st.integers(2, 20),
    scale=st.sampled_from([0.0, 1e-3, 1.0, 10.0, 1e3]),
)
few = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.differing_executors])


@pytest.mark.parametrize("kind", list(SIZES))
@every_summary
@few
def test_every_step_is_a_distribution_over_real_items(
    kind: SummaryKind, seed: int, mu: int, zeta: int, n_items: int, scale: float
) -> None:
    factors, items = drawn_factors(kind, seed, mu=mu, zeta=zeta, n_items=n_items, scale=scale)
    sequences = soft_sequences(factors, items)
    assert factors.shape == (mu, zeta)
    assert sequences.shape == (mu, zeta, n_items)
    assert (sequences >= 0).all()
    torch.testing.assert_close(sequences.sum(-1), torch.ones(mu, zeta, dtype=torch.float64))
    embeddings = expected_embeddings(factors, items)
    assert (embeddings <= items.amax(0) + 1e-9).all()
    assert (embeddings >= items.amin(0) - 1e-9).all()


@pytest.mark.parametrize("kind", list(SIZES))
@every_summary
@few
def test_another_order_of_the_items_is_the_same_summary(
    kind: SummaryKind, seed: int, mu: int, zeta: int, n_items: int, scale: float
) -> None:
    factors, items = drawn_factors(kind, seed, mu=mu, zeta=zeta, n_items=n_items, scale=scale)
    order = torch.randperm(n_items, generator=torch.Generator().manual_seed(seed))
    ordered = factors
    if isinstance(factors, FarziFactors):  # whose decoder has a row for each of the items
        ordered = factors.with_tensors({"decoder": factors.decoder[order]})
    torch.testing.assert_close(
        soft_sequences(ordered, items[order]), soft_sequences(factors, items)[..., order]
    )
    torch.testing.assert_close(
        expected_embeddings(ordered, items[order]), expected_embeddings(factors, items)
    )


def test_expected_embeddings_are_the_sequences_times_the_item_factor(
    factors: Factors, items: torch.Tensor
) -> None:
    expected = torch.zeros(4, 6, 8, dtype=torch.float64)
    for item, row in enumerate(items):
        expected += soft_sequences(factors, items)[..., item, None] * row
    torch.testing.assert_close(expected_embeddings(factors, items), expected)


def test_gradients_reach_every_tensor(factors: Factors, items: torch.Tensor) -> None:
    names = list(factors.tensors)

    def embeddings(*tensors: torch.Tensor) -> torch.Tensor:
        return expected_embeddings(factors.with_tensors(dict(zip(names, tensors, strict=True))), items)

    learned = [tensor.requires_grad_() for tensor in factors.tensors.values()]
    assert torch.autograd.gradcheck(embeddings, learned)
    for gradient in torch.autograd.grad(embeddings(*learned)[0, 0].sum(), learned):
        assert gradient.abs().max() > 1e-6


def test_tensors_have_the_names_and_shapes_of_the_config(
    factors: Factors, items: torch.Tensor, config: SummaryConfig
) -> None:
    shapes = factor_shapes(config, n_items=len(items), embedding_size=items.shape[1])
    assert {name: tuple(tensor.shape) for name, tensor in factors.tensors.items()} == shapes
    assert list(shapes) == list(factors.tensors)
    assert "items" not in shapes


def test_named_tensors_are_the_same_summary_again(
    factors: Factors, items: torch.Tensor, config: SummaryConfig
) -> None:
    again = named_factors(config, factors.tensors)
    assert torch.equal(soft_sequences(again, items), soft_sequences(factors, items))


def test_mapped_factors_are_changed_and_the_first_ones_are_not(factors: Factors, items: torch.Tensor) -> None:
    flat = map_tensors(factors, torch.zeros_like)
    torch.testing.assert_close(
        soft_sequences(flat, items), torch.full((4, 6, 11), 1 / 11, dtype=torch.float64)
    )
    assert all(tensor.abs().max() > 0 for tensor in factors.tensors.values())


def test_same_seed_same_factors(items: torch.Tensor, config: SummaryConfig) -> None:
    first, again = (
        initial_factors(config, items=items, generator=torch.Generator().manual_seed(7)) for _ in range(2)
    )
    for ours, theirs in zip(first.tensors.values(), again.tensors.values(), strict=True):
        assert torch.equal(ours, theirs)
