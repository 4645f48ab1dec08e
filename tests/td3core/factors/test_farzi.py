import pytest
import torch

from td3core.factors import FarziFactors, expected_embeddings, soft_sequences


def drawn(
    seed: int, *, mu: int = 4, zeta: int = 5, n_items: int = 9, temperature: float = 0.5
) -> tuple[FarziFactors, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    items = torch.randn(n_items, 6, dtype=torch.float64, generator=generator)
    factors = FarziFactors.initial(
        users=mu, length=zeta, rank=3, temperature=temperature, items=items, generator=generator
    )
    return factors, items


def test_summary_equals_decoded_latents_written_out() -> None:
    factors, items = drawn(1)
    for user in range(4):
        for step in range(5):
            scores = torch.stack([(factors.latents[user, step] * row).sum() / 0.5 for row in factors.decoder])
            odds = scores.exp() / scores.exp().sum()
            torch.testing.assert_close(soft_sequences(factors, items)[user, step], odds)


def test_a_learner_reads_the_item_factor_and_not_the_decoder() -> None:
    factors, items = drawn(2)
    torch.testing.assert_close(soft_sequences(factors, items), soft_sequences(factors, 2 * items))
    torch.testing.assert_close(
        2 * expected_embeddings(factors, items), expected_embeddings(factors, 2 * items)
    )


@pytest.mark.parametrize("temperature", [0.1, 1.0, 5.0])
def test_initial_logits_have_about_unit_variance(temperature: float) -> None:
    factors, items = drawn(3, mu=30, zeta=40, n_items=2000, temperature=temperature)
    logits = factors.queries() @ factors.keys(items).T
    assert float(logits.std()) == pytest.approx(1.0, abs=0.1)


def test_other_tables_are_read_at_the_same_temperature() -> None:
    factors, _ = drawn(4, temperature=0.25)
    other = factors.with_tensors({"latents": factors.latents + 1, "decoder": factors.decoder})
    torch.testing.assert_close(other.queries(), 4 * (factors.latents + 1))
