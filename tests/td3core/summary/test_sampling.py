"""Drawing sequences: what every draw keeps to, whatever the factors and the learner."""

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from td3core.catalogue import sequences
from td3core.config import SummaryConfig
from td3core.factors import Factors, initial_factors, soft_sequences
from td3core.learners import Learner
from td3core.summary.sampling import draw_ancestral, draw_independent

MU, ZETA = 4, 6
COMMON: dict[str, Any] = {"length": ZETA, "temperature": 0.7, "distinct": True}


@pytest.fixture(params=["tucker", "farzi"])
def factors(request: pytest.FixtureRequest, items: torch.Tensor, generator: torch.Generator) -> Factors:
    config = SummaryConfig(kind=request.param, users=MU, length=ZETA)
    return initial_factors(config, items=items, generator=generator)


def ancestral(
    factors: Factors, items: torch.Tensor, learner: Learner, *, n: int = 9, seed: int = 0, **options: Any
) -> torch.Tensor:
    weights = learner.initialise(
        1, generator=torch.Generator().manual_seed(8), dtype=items.dtype, device=items.device
    )
    return draw_ancestral(
        factors,
        items=items,
        users=torch.arange(n) % MU,
        learner=learner,
        parameters=weights,
        generator=torch.Generator().manual_seed(seed),
        **{**COMMON, "first_temperature": 1.0, **options},
    )


@given(seed=st.integers(0, 2**31), n=st.integers(1, 12), length=st.integers(1, 11), hot=st.floats(0.01, 50))
@settings(
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.function_scoped_fixture],
)
def test_no_item_comes_twice_and_none_is_made_up(
    factors: Factors, items: torch.Tensor, learner: Learner, seed: int, n: int, length: int, hot: float
) -> None:
    drawn = ancestral(factors, items, learner, n=n, seed=seed, length=length, temperature=hot)
    alone = draw_independent(
        factors,
        items=items,
        users=torch.arange(n) % MU,
        length=min(length, ZETA),
        temperature=hot,
        distinct=True,
        generator=torch.Generator().manual_seed(seed),
    )
    for found, steps in ((drawn, length), (alone, min(length, ZETA))):
        assert found.shape == (n, steps)
        assert found.min() >= 0
        assert found.max() < len(items)
        assert all(len(row.unique()) == steps for row in found)


def test_any_learner_can_continue_sequences(
    factors: Factors, items: torch.Tensor, every_learner: Learner
) -> None:
    assert ancestral(factors, items, every_learner, length=11).shape == (9, 11)


def test_all_but_certain_draws_are_the_best_items(
    factors: Factors, items: torch.Tensor, learner: Learner
) -> None:
    """At a temperature near zero the first item is S's mode, and nothing is left to chance."""
    cold: dict[str, Any] = {"temperature": 1e-4, "first_temperature": 1e-4}
    drawn = ancestral(factors, items, learner, **cold)
    assert (drawn[:, 0] == soft_sequences(factors, items)[torch.arange(9) % MU, 0].argmax(-1)).all()
    assert (drawn == ancestral(factors, items, learner, seed=1, **cold)).all()
    assert (drawn[:MU] == drawn[MU : 2 * MU]).all()


def test_repeats_come_only_if_allowed(factors: Factors, items: torch.Tensor, learner: Learner) -> None:
    drawn = ancestral(factors, items, learner, n=50, distinct=False, length=11, temperature=0.1)
    assert any(len(row.unique()) < 11 for row in drawn)


def test_blocks_follow_one_another(
    factors: Factors, items: torch.Tensor, learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequences, "_SCORES_A_BLOCK", 2 * len(items))
    cold: dict[str, Any] = {"temperature": 1e-4, "first_temperature": 1e-4}
    blocks = ancestral(factors, items, learner, **cold)
    monkeypatch.undo()
    assert (blocks == ancestral(factors, items, learner, **cold)).all()
