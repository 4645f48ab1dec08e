import pytest

from td3core.config import LearnerConfig, TrendConfig
from td3core.evaluation.fidelity import spread
from td3core.evaluation.trend import configurations, trend_of


def test_eight_configurations_by_default() -> None:
    learner = LearnerConfig(embedding_size=16, inner_size=24, dropout=0.3)
    found = configurations(TrendConfig(), learner)
    assert len(found) == len(set(found)) == 8
    assert {(config.kind, config.layers) for config in found} == {
        (kind, layers) for kind in ("sasrec", "gru4rec", "narm", "bert4rec") for layers in (1, 2)
    }
    assert {(config.embedding_size, config.inner_size, config.dropout) for config in found} == {(16, 24, 0.3)}


def test_a_grid_without_repetitions() -> None:
    trend = TrendConfig(learners=("narm", "narm"), layers=(1,), inner_sizes=(8, 16, 8))
    assert [config.inner_size for config in configurations(trend, LearnerConfig())] == [8, 16]


def test_widths_keep_the_heads_that_divide_them() -> None:
    trend = TrendConfig(learners=("sasrec",), layers=(1,), embedding_sizes=(9, 16))
    found = configurations(trend, LearnerConfig(embedding_size=12, heads=6))
    assert [(config.embedding_size, config.heads) for config in found] == [(9, 3), (16, 2)]


def test_agreement_by_hand() -> None:
    # Means of the summary 1.5 2.5 3.5, of the log 1 3 2: two pairs agree, one does not.
    # First seed: 1 2 3 against 1 3 2; second: 2 3 4 against 1 3 2.
    summaries, fulls = [(1.0, 2.0), (2.0, 3.0), (3.0, 4.0)], [(1.0, 1.0), (3.0, 3.0), (2.0, 2.0)]
    rows = [
        (LearnerConfig(layers=layers), {"a": spread(ours)}, {"a": spread(theirs)})
        for layers, ours, theirs in zip((1, 2, 3), summaries, fulls, strict=True)
    ]
    found = trend_of(rows)
    agreement = found.agreement["a"]
    assert agreement.tau == pytest.approx(1 / 3)
    assert agreement.p_value == 1.0
    assert agreement.over_seeds is not None
    assert agreement.over_seeds.values == pytest.approx((1 / 3, 1 / 3))
    assert [row.layers for row in found.configurations] == [1, 2, 3]
    assert found.configurations[1].full["a"].mean == 3.0


def test_no_tau_of_a_seed_where_all_tie() -> None:
    rows = [(LearnerConfig(), {"a": spread([1.0, ours])}, {"a": spread([1.0, ours])}) for ours in (1.0, 2.0)]
    agreement = trend_of(rows).agreement["a"]
    assert agreement.tau == 1.0
    assert agreement.over_seeds is None
