import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from td3core.catalogue.candidates import Catalogue, CatalogueSampler, inclusion_probabilities, room_for


@given(counts=st.lists(st.integers(0, 10_000), min_size=2, max_size=200), candidates=st.integers(1, 150))
@settings(deadline=None)
def test_probabilities_sum_to_the_candidates_asked_for(counts: list[int], candidates: int) -> None:
    found = inclusion_probabilities(torch.tensor(counts, dtype=torch.float64), candidates)
    assert found.min() > 0
    assert found.max() <= 1
    assert float(found.sum()) == pytest.approx(min(candidates, len(counts)), rel=1e-6)


def test_popular_items_are_likelier() -> None:
    found = inclusion_probabilities(torch.tensor([1000.0, 10.0, 1.0, 1.0, 1.0, 1.0]), 3)
    assert found[0] == 1.0
    assert found[1] > found[2]


def test_partition_keeps_its_expectation(items: torch.Tensor, generator: torch.Generator) -> None:
    probabilities = inclusion_probabilities(
        torch.rand(len(items), dtype=torch.float64, generator=generator), 5
    )
    query = torch.randn(1, 8, dtype=torch.float64, generator=generator)
    drawn = [
        float(CatalogueSampler(items, probabilities).draw(generator).log_partition(query).exp())
        for _ in range(4000)
    ]
    expected = float(Catalogue(items).log_partition(query).exp())
    error = torch.tensor(drawn).std() / len(drawn) ** 0.5
    assert abs(sum(drawn) / len(drawn) - expected) < 4 * error


def test_candidates_that_are_certain_are_the_whole(items: torch.Tensor, generator: torch.Generator) -> None:
    query = torch.randn(3, 8, dtype=torch.float64, generator=generator)
    drawn = CatalogueSampler(items, torch.ones(len(items), dtype=torch.float64)).draw(generator)
    torch.testing.assert_close(drawn.log_partition(query), Catalogue(items).log_partition(query))
    torch.testing.assert_close(drawn.sums(query).means[..., :8], Catalogue(items).sums(query).means)


def test_derivatives_of_both_orders(items: torch.Tensor, generator: torch.Generator) -> None:
    drawn = CatalogueSampler(items, torch.full((len(items),), 0.6, dtype=torch.float64)).draw(generator)
    query = torch.randn(2, 8, dtype=torch.float64, generator=generator).requires_grad_()
    assert torch.autograd.gradcheck(drawn.log_partition, query)
    assert torch.autograd.gradgradcheck(drawn.log_partition, query)
    assert torch.autograd.gradcheck(lambda query: drawn.mean(query, drawn.sums(query)), query)
    (mean,) = torch.autograd.grad(drawn.log_partition(query).sum(), query)
    torch.testing.assert_close(drawn.mean(query, drawn.sums(query)), mean)


def test_what_candidates_are_filled_up_with_changes_nothing(
    items: torch.Tensor, generator: torch.Generator
) -> None:
    probabilities = torch.full((len(items),), 0.6, dtype=torch.float64)
    query = torch.randn(3, 8, dtype=torch.float64, generator=generator).requires_grad_()
    drawn = CatalogueSampler(items, probabilities).draw(generator.manual_seed(5))
    filled = CatalogueSampler(items, probabilities, size=50).draw(generator.manual_seed(5))
    assert len(drawn.items) < len(filled.items) == 50
    one, two = drawn.mean(query, drawn.sums(query)), filled.mean(query, filled.sums(query))
    torch.testing.assert_close(one, two)
    for catalogue in (drawn, filled):
        assert torch.autograd.gradgradcheck(catalogue.log_partition, query)
    (by_one,) = torch.autograd.grad(one.square().sum(), query)
    (by_two,) = torch.autograd.grad(two.square().sum(), query)
    torch.testing.assert_close(by_one, by_two)


def test_there_is_room_for_almost_every_draw(generator: torch.Generator) -> None:
    items = torch.ones(4000, 2)
    sampler = CatalogueSampler(items, torch.full((4000,), 0.1), size=room_for(400))
    assert {len(sampler.draw(generator).items) for _ in range(300)} == {room_for(400)}


def test_without_probabilities_every_step_sees_all_items(
    items: torch.Tensor, generator: torch.Generator
) -> None:
    before = generator.get_state()
    drawn = CatalogueSampler(items).draw(generator)
    assert drawn.items is items
    assert drawn.rows is None
    assert torch.equal(generator.get_state(), before)
