import pytest
import torch
from torch.nn import functional

from td3core.catalogue import blocks
from td3core.catalogue.soft_targets import draw_items, soft_cross_entropy, soft_embedding


@pytest.fixture(params=[1 << 19, 30])
def queries(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, generator: torch.Generator
) -> torch.Tensor:
    """Soft items of two sequences, gone through in one block or in several, the last of them shorter."""
    monkeypatch.setattr(blocks, "BLOCK_SCORES", request.param)
    return torch.randn(2, 5, 8, dtype=torch.float64, generator=generator)


def test_a_soft_item_is_read_as_the_mean_of_its_items(
    queries: torch.Tensor, items: torch.Tensor, generator: torch.Generator
) -> None:
    values = torch.randn(11, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    expected = (queries @ items.T).softmax(-1) @ values
    weights = torch.randn_like(expected)
    read = soft_embedding(queries, items, values)
    torch.testing.assert_close(read, expected)
    (gradient,) = torch.autograd.grad((read * weights).sum(), values)
    torch.testing.assert_close(gradient, torch.autograd.grad((expected * weights).sum(), values)[0])


def test_cross_entropy_and_its_gradients_are_those_of_the_whole_softmax(
    queries: torch.Tensor, items: torch.Tensor, generator: torch.Generator
) -> None:
    queries = queries.flatten(0, 1)
    embedding = torch.randn(11, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    outputs = torch.randn(10, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    expected = functional.cross_entropy(outputs @ embedding.T, (queries @ items.T).softmax(-1))
    found = soft_cross_entropy(outputs, embedding, queries=queries, keys=items)
    torch.testing.assert_close(found, expected)
    for gradient, by_hand in zip(
        torch.autograd.grad(3 * found, (outputs, embedding)),
        torch.autograd.grad(3 * expected, (outputs, embedding)),
        strict=True,
    ):
        torch.testing.assert_close(gradient, by_hand)


def test_items_are_drawn_as_often_as_they_are_likely(
    queries: torch.Tensor, items: torch.Tensor, generator: torch.Generator
) -> None:
    drawn = draw_items(queries, items, 4000, generator=generator)
    shares = functional.one_hot(drawn, 11).double().mean(2)
    assert (shares - (queries @ items.T).softmax(-1)).abs().max() < 0.05
