import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from td3core.candidates import Catalogue
from td3core.tucker import Factors, expected_embeddings, initial_factors, soft_sequences


def drawn(seed: int, *, mu: int = 4, zeta: int = 5, n_items: int = 9) -> tuple[Factors, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    items = torch.randn(n_items, 6, dtype=torch.float64, generator=generator)
    factors = initial_factors(
        users=mu, length=zeta, rank_users=2, rank_time=3, items=items, generator=generator
    )
    return factors, items


@given(seed=st.integers(0, 2**31), mu=st.integers(1, 6), zeta=st.integers(1, 6), n_items=st.integers(2, 20))
@settings(deadline=None, max_examples=25)
def test_every_step_is_a_distribution_over_real_items(seed: int, mu: int, zeta: int, n_items: int) -> None:
    factors, items = drawn(seed, mu=mu, zeta=zeta, n_items=n_items)
    sequences = soft_sequences(factors, items)
    assert sequences.shape == (mu, zeta, n_items)
    assert (sequences >= 0).all()
    torch.testing.assert_close(sequences.sum(-1), torch.ones(mu, zeta, dtype=torch.float64))


@given(seed=st.integers(0, 2**31))
@settings(deadline=None, max_examples=25)
def test_permuting_items_permutes_the_summary(seed: int) -> None:
    factors, items = drawn(seed)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(
        soft_sequences(factors, items)[..., order], soft_sequences(factors, items[order])
    )
    torch.testing.assert_close(
        expected_embeddings(factors, Catalogue(items)), expected_embeddings(factors, Catalogue(items[order]))
    )


def test_summary_equals_the_mode_products_written_out() -> None:
    factors, items = drawn(1)
    logits = torch.zeros(4, 5, 9, dtype=torch.float64)
    for a in range(2):
        for b in range(3):
            for c in range(6):
                term = factors.users[:, a, None, None] * factors.time[:, b, None] * items[:, c]
                logits += factors.core[a, b, c] * term
    torch.testing.assert_close(soft_sequences(factors, items), logits.softmax(-1))


def test_expected_embeddings_are_the_sequences_times_the_item_factor() -> None:
    factors, items = drawn(2)
    torch.testing.assert_close(expected_embeddings(factors, Catalogue(items)), soft_sequences(factors, items) @ items)


def test_initial_logits_have_unit_variance() -> None:
    factors, items = drawn(3, mu=30, zeta=40, n_items=200)
    logits = torch.einsum("abc,ma,tb,ic->mti", *factors, items)
    torch.testing.assert_close(logits.std(), torch.tensor(1.0, dtype=torch.float64))
