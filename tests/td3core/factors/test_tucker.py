import pytest
import torch

from td3core.factors import TuckerFactors, expected_embeddings, soft_sequences


def drawn(seed: int, *, mu: int = 4, zeta: int = 5, n_items: int = 9) -> tuple[TuckerFactors, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    items = torch.randn(n_items, 6, dtype=torch.float64, generator=generator)
    factors = TuckerFactors.initial(
        users=mu, length=zeta, rank_users=2, rank_time=3, items=items, generator=generator
    )
    return factors, items


def test_summary_equals_the_mode_products_written_out() -> None:
    factors, items = drawn(1)
    logits = torch.zeros(4, 5, 9, dtype=torch.float64)
    for a in range(2):
        for b in range(3):
            for c in range(6):
                term = factors.users[:, a, None, None] * factors.time[:, b, None] * items[:, c]
                logits += factors.core[a, b, c] * term
    torch.testing.assert_close(soft_sequences(factors, items), logits.softmax(-1))


def test_permuting_items_permutes_the_summary() -> None:
    factors, items = drawn(2)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(
        soft_sequences(factors, items)[..., order], soft_sequences(factors, items[order])
    )
    torch.testing.assert_close(
        expected_embeddings(factors, items), expected_embeddings(factors, items[order])
    )


def test_initial_logits_have_unit_variance() -> None:
    factors, items = drawn(3, mu=30, zeta=40, n_items=200)
    logits = torch.einsum("abc,ma,tb,ic->mti", factors.core, factors.users, factors.time, items)
    torch.testing.assert_close(logits.std(correction=0), torch.tensor(1.0, dtype=torch.float64))


def sequences_of(items: torch.Tensor, *, mu: int, zeta: int, seed: int = 5) -> torch.Tensor:
    """Embeddings of items drawn at random."""
    generator = torch.Generator().manual_seed(seed)
    return items[torch.randint(len(items), (mu, zeta), generator=generator)]


def many_items(n: int, size: int, seed: int = 4) -> torch.Tensor:
    """Normally distributed, with correlated coordinates and a mean that is not zero."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(size, size, dtype=torch.float64, generator=generator)
    return torch.randn(n, size, dtype=torch.float64, generator=generator) @ mixing + 3


def test_factors_of_full_rank_near_sequences_give_back_their_embeddings() -> None:
    """Where there are so many items that the softmax sees their distribution."""
    items = many_items(200_000, 2)
    embeddings = sequences_of(items, mu=4, zeta=5)
    near = TuckerFactors.near(embeddings, rank_users=4, rank_time=5, items=items)
    errors = (expected_embeddings(near, items) - embeddings).norm(dim=-1)
    assert float(errors.max()) < 0.1 * float((items - items.mean(0)).norm(dim=-1).mean())


def test_queries_of_truncated_factors_are_of_the_best_subspaces_of_users_and_steps() -> None:
    items = many_items(300, 6)
    exact = torch.einsum(
        "abc,ma,tb->mtc",
        *(torch.randn(*shape, dtype=torch.float64) for shape in ((2, 3, 6), (7, 2), (8, 3))),
    )
    near = TuckerFactors.near(exact + items.mean(0), rank_users=2, rank_time=3, items=items)
    centred = items - items.mean(0)
    covariance = centred.T @ centred / len(items)
    torch.testing.assert_close(near.queries() @ covariance, exact)
    full = TuckerFactors.near(exact + items.mean(0), rank_users=7, rank_time=8, items=items)
    torch.testing.assert_close(full.queries(), near.queries())


def test_factors_near_sequences_have_one_mean_square() -> None:
    items = many_items(50, 6)
    near = TuckerFactors.near(sequences_of(items, mu=9, zeta=7), rank_users=3, rank_time=4, items=items)
    core, users, time = (tensor.square().mean() for tensor in near.tensors.values())
    torch.testing.assert_close(users, core)
    torch.testing.assert_close(time, core)


@pytest.mark.parametrize(("mu", "zeta", "n_items"), [(40, 2, 30), (3, 40, 30), (5, 6, 4), (5, 6, 1)])
def test_factors_near_sequences_have_their_ranks_whatever_there_is(mu: int, zeta: int, n_items: int) -> None:
    """Fewer embedded steps than columns of U, fewer users than columns of T, fewer items than dimensions."""
    items = torch.randn(n_items, 6, generator=torch.Generator().manual_seed(3))
    near = TuckerFactors.near(
        sequences_of(items, mu=mu, zeta=zeta), rank_users=min(mu, 32), rank_time=min(zeta, 32), items=items
    )
    assert near.core.shape == (min(mu, 32), min(zeta, 32), 6)
    assert near.users.shape == (mu, min(mu, 32))
    assert near.time.shape == (zeta, min(zeta, 32))
    assert all(bool(tensor.isfinite().all()) for tensor in near.tensors.values())
