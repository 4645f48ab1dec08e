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
