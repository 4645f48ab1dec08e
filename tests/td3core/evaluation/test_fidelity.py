import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3core.evaluation.fidelity import comparisons, recoveries, spread, spreads


def test_spreads_by_hand() -> None:
    found = spreads([{"a": 1.0}, {"a": 3.0}])["a"]
    assert (found.mean, found.std, found.values) == (2.0, math.sqrt(2), (1.0, 3.0))
    # 12.706 sqrt(2) / sqrt(2)
    assert (found.low, found.high) == pytest.approx((2 - 12.706, 2 + 12.706), abs=1e-3)
    single = spreads([{"a": 1.0}])["a"]
    assert (single.std, single.low, single.high, single.interval) == (None, None, None, None)


def test_recovery_by_hand() -> None:
    figures = {"full": [0.10, 0.12], "summary": [0.09, 0.11], "floor": [0.06, 0.06]}
    found = recoveries({source: {"a": spread(values)} for source, values in figures.items()})["a"]
    assert found.recovery == pytest.approx(0.10 / 0.11)
    assert found.lift_recovery == pytest.approx(0.04 / 0.05)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.10 / 0.11 < found.high


@given(
    st.fixed_dictionaries(
        {
            source: st.lists(st.sampled_from([0.0, 0.1, 0.25, 1.0]), min_size=1, max_size=4)
            for source in ("full", "summary", "floor")
        }
    )
)
def test_recovery_is_of_means_and_null_without_a_denominator(values: dict[str, list[float]]) -> None:
    found = recoveries({source: {"a": spread(row)} for source, row in values.items()})["a"]
    full, summary, floor = (statistics.fmean(values[source]) for source in ("full", "summary", "floor"))
    assert found.recovery == (pytest.approx(summary / full) if full else None)
    room = full - floor
    assert found.lift_recovery == (pytest.approx((summary - floor) / room) if room > 0 else None)
    if found.low is not None:
        assert found.recovery is not None
        assert found.high is not None
        assert found.low * 0.999 <= found.recovery <= found.high * 1.001


def test_own_embeddings_recover_what_own_embeddings_reach() -> None:
    figures = {
        "full": [0.10, 0.12],
        "summary": [0.1, 0.1],
        "full_own_embedding": [0.1, 0.1],
        "summary_own_embedding": [0.08, 0.09],
    }
    by_source = {source: {"a": spread(values)} for source, values in figures.items()}
    found = recoveries({**by_source, "floor": {"a": spread([0.06])}}, "summary_own_embedding")["a"]
    assert found.recovery == pytest.approx(0.85)
    assert found.lift_recovery is None
    assert recoveries({"full_own_embedding": by_source["full_own_embedding"]}, "summary_own_embedding") == {}


def test_recovery_without_room_above_the_floor_is_null() -> None:
    one, zero = {"a": spread([0.5])}, {"a": spread([0.0])}
    assert recoveries({"full": one, "summary": one, "floor": one})["a"].lift_recovery is None
    assert recoveries({"full": one, "summary": one})["a"].lift_recovery is None
    assert recoveries({"full": zero, "summary": one})["a"].recovery is None
    assert recoveries({"summary": one}) == {}


def test_comparison_by_hand() -> None:
    # Half widths 12.706 s / sqrt(2) of two values: 0.00127 of 0.1000 and 0.1002, 0.0127 of 0.100 and 0.102
    by_source = {
        "summary": {"a": spread([0.1000, 0.1002])},
        "random": {"a": spread([0.0900, 0.0902])},
        "coreset": {"a": spread([0.095, 0.097])},
        "random_stopped": {"a": spread([0.11])},
        "full": {"a": spread([0.11, 0.12])},
    }
    found = comparisons(by_source)
    assert list(found) == ["coreset", "random", "random_stopped"]
    assert found["random"]["a"].difference == pytest.approx(0.01)
    assert found["random"]["a"].disjoint is True
    assert found["coreset"]["a"].difference == pytest.approx(0.0041)
    assert found["coreset"]["a"].disjoint is False
    assert found["random_stopped"]["a"].difference == pytest.approx(-0.0099)
    assert found["random_stopped"]["a"].disjoint is None
    assert comparisons({"random": by_source["random"]}) == {}
