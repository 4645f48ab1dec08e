import subprocess
import sys

import pytest
import torch

from td3core.catalogue import blocks
from td3core.catalogue.sums import catalogue_sums, expected_embedding, log_partition, mean_cross_entropy


@pytest.fixture
def queries(generator: torch.Generator) -> torch.Tensor:
    return torch.randn(2, 3, 8, dtype=torch.float64, generator=generator).requires_grad_()


@pytest.fixture(params=[1 << 19, 22], ids=["one block", "blocks of two rows"])
def _block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_SCORES", request.param)


@pytest.mark.usefixtures("_block")
def test_log_partition_equals_logsumexp(queries: torch.Tensor, items: torch.Tensor) -> None:
    torch.testing.assert_close(log_partition(queries, items), (queries @ items.T).logsumexp(-1))


@pytest.fixture
def keys(generator: torch.Generator) -> torch.Tensor:
    """Learned ones, narrower than the item factor's rows."""
    return torch.randn(11, 5, dtype=torch.float64, generator=generator).requires_grad_()


@pytest.mark.usefixtures("_block")
def test_expected_embedding_equals_attention_over_the_items(
    queries: torch.Tensor, keys: torch.Tensor, items: torch.Tensor
) -> None:
    expected = (queries @ items.T).softmax(-1) @ items
    torch.testing.assert_close(expected_embedding(queries, items, items), expected)
    narrow = queries[..., :5]
    torch.testing.assert_close(expected_embedding(narrow, keys, items), (narrow @ keys.T).softmax(-1) @ items)


@pytest.mark.usefixtures("_block")
def test_derivatives_of_both_orders(queries: torch.Tensor, items: torch.Tensor) -> None:
    assert torch.autograd.gradcheck(log_partition, (queries, items))
    assert torch.autograd.gradgradcheck(log_partition, (queries, items))
    assert torch.autograd.gradcheck(expected_embedding, (queries, items, items))


@pytest.mark.usefixtures("_block")
def test_derivative_by_learned_keys(queries: torch.Tensor, keys: torch.Tensor, items: torch.Tensor) -> None:
    assert torch.autograd.gradcheck(expected_embedding, (queries[..., :5], keys, items))
    assert torch.autograd.gradcheck(expected_embedding, (queries[..., :5].detach(), keys, items))


def test_known_sums_are_used_instead_of_another_pass(queries: torch.Tensor, items: torch.Tensor) -> None:
    sums = catalogue_sums(queries, items)
    found = expected_embedding(queries, items, items, sums._replace(means=sums.means + 1))
    torch.testing.assert_close(found, expected_embedding(queries, items, items) + 1)
    (ours,) = torch.autograd.grad(expected_embedding(queries, items, items, sums).sum(), queries)
    (theirs,) = torch.autograd.grad(expected_embedding(queries, items, items).sum(), queries)
    torch.testing.assert_close(ours, theirs)


def test_large_scores_do_not_overflow(items: torch.Tensor) -> None:
    queries = torch.full((1, 8), 1e4, dtype=torch.float64)
    assert log_partition(queries, items).isfinite().all()
    assert expected_embedding(queries, items, items).isfinite().all()


@pytest.mark.usefixtures("_block")
def test_mean_cross_entropy_equals_that_of_torch(queries: torch.Tensor, items: torch.Tensor) -> None:
    flat = queries.detach().flatten(0, 1).requires_grad_()
    items = items.clone().requires_grad_()
    targets = torch.tensor([0, 10, 3, 3, 7, 1])
    expected = torch.nn.functional.cross_entropy(flat @ items.T, targets)
    found = mean_cross_entropy(flat, items, targets)
    torch.testing.assert_close(found, expected)
    for ours, theirs in zip(
        torch.autograd.grad(2 * found, (flat, items)),
        torch.autograd.grad(2 * expected, (flat, items)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def test_the_compiler_is_not_loaded_where_nothing_is_compiled() -> None:
    code = (
        "import sys, torch\n"
        "from td3core.catalogue.sums import log_partition\n"
        "queries = torch.ones(2, 3, requires_grad=True)\n"
        "log_partition(queries, torch.ones(4, 3)).sum().backward()\n"
        "sys.exit('torch._dynamo' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
