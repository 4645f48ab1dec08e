import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from td3core.evaluation.bootstrap import RESAMPLES, Estimate
from td3core.evaluation.fidelity import comparisons, recoveries, spread, spreads


def estimate(values: list[float], half: float = 0.0) -> Estimate:
    """A figure whose draws lie evenly within so much of its mean, all of them in one order."""
    return Estimate(tuple(values), statistics.fmean(values) + np.linspace(-half, half, RESAMPLES))


def test_spreads_by_hand() -> None:
    found = spreads({"a": estimate([1.0, 3.0], half=1.0)})["a"]
    assert (found.mean, found.std, found.values) == (2.0, math.sqrt(2), (1.0, 3.0))
    assert (found.low, found.high) == pytest.approx((2 - 0.95, 2 + 0.95), abs=2e-3)
    single = spreads({"a": estimate([1.0], half=0.5)})["a"]
    assert (single.std, single.high) == (None, pytest.approx(1 + 0.475, abs=2e-3))


def test_what_users_have_no_part_in_has_the_interval_of_its_seeds() -> None:
    found = spread([1.0, 3.0])
    # 12.706 sqrt(2) / sqrt(2)
    assert (found.low, found.high) == pytest.approx((2 - 12.706, 2 + 12.706), abs=1e-3)
    single = spread([1.0])
    assert (single.std, single.low, single.high, single.interval) == (None, None, None, None)


def test_recovery_by_hand() -> None:
    figures = {
        "full": estimate([0.10, 0.12], half=0.02),
        "summary": estimate([0.09, 0.11], half=0.01),
        "floor": estimate([0.06, 0.06]),
    }
    found = recoveries({source: {"a": figure} for source, figure in figures.items()})["a"]
    assert found.recovery == pytest.approx(0.10 / 0.11)
    assert found.lift_recovery == pytest.approx(0.04 / 0.05)
    # Draw by draw: both are low at once, 0.95 of the way to their ends.
    assert (found.high, found.low) == pytest.approx((0.0905 / 0.091, 0.1095 / 0.129), abs=2e-4)
    assert (found.lift_high, found.lift_low) == pytest.approx((0.0305 / 0.031, 0.0495 / 0.069), abs=5e-4)


def test_recovery_of_the_teacher_is_paired_with_it_draw_by_draw() -> None:
    figures = {
        "full": {"a": estimate([0.10, 0.12])},
        "summary": {"a": estimate([0.09, 0.11], half=0.01)},
        "full_own_embedding": {"a": estimate([0.10])},
        "summary_own_embedding": {"a": estimate([0.12], half=0.02)},
        "teacher": {"a": estimate([0.125], half=0.025)},
    }
    found = recoveries(figures)["a"]
    assert found.teacher_recovery == pytest.approx(0.8)
    assert (found.teacher_low, found.teacher_high) == pytest.approx(
        (0.1095 / 0.14875, 0.0905 / 0.10125), abs=2e-4
    )
    own = recoveries(figures, "summary_own_embedding")["a"]
    assert own.teacher_recovery == pytest.approx(0.96)
    del figures["teacher"]
    without = recoveries(figures)["a"]
    assert (without.teacher_recovery, without.teacher_low, without.teacher_high) == (None, None, None)


@given(
    st.fixed_dictionaries(
        {
            source: st.lists(st.sampled_from([0.0, 0.1, 0.25, 1.0]), min_size=1, max_size=4)
            for source in ("full", "summary", "floor")
        }
    )
)
def test_recovery_is_of_means_and_null_without_a_denominator(values: dict[str, list[float]]) -> None:
    found = recoveries({source: {"a": estimate(row)} for source, row in values.items()})["a"]
    full, summary, floor = (statistics.fmean(values[source]) for source in ("full", "summary", "floor"))
    assert found.recovery == (pytest.approx(summary / full) if full else None)
    assert found.low == found.high == found.recovery
    room = full - floor
    assert found.lift_recovery == (pytest.approx((summary - floor) / room) if room > 0 else None)
    assert found.lift_low == found.lift_high == found.lift_recovery


def test_a_lift_over_a_floor_that_may_be_the_ceiling_has_no_interval() -> None:
    figures = {"full": estimate([0.1], half=0.02), "summary": estimate([0.1]), "floor": estimate([0.085])}
    found = recoveries({source: {"a": figure} for source, figure in figures.items()})["a"]
    assert found.lift_recovery == pytest.approx(1.0)
    assert (found.lift_low, found.lift_high) == (None, None)
    assert found.low is not None


def test_own_embeddings_recover_what_own_embeddings_reach() -> None:
    figures = {
        "full": [0.10, 0.12],
        "summary": [0.1, 0.1],
        "full_own_embedding": [0.1, 0.1],
        "summary_own_embedding": [0.08, 0.09],
    }
    by_source = {source: {"a": estimate(values)} for source, values in figures.items()}
    found = recoveries({**by_source, "floor": {"a": estimate([0.06])}}, "summary_own_embedding")["a"]
    assert found.recovery == pytest.approx(0.85)
    assert found.lift_recovery is None
    assert recoveries({"full_own_embedding": by_source["full_own_embedding"]}, "summary_own_embedding") == {}


def test_recovery_without_room_above_the_floor_is_null() -> None:
    one, zero = {"a": estimate([0.5])}, {"a": estimate([0.0])}
    assert recoveries({"full": one, "summary": one, "floor": one})["a"].lift_recovery is None
    assert recoveries({"full": one, "summary": one})["a"].lift_recovery is None
    assert recoveries({"full": zero, "summary": one})["a"].recovery is None
    assert recoveries({"summary": one}) == {}


def test_comparison_by_hand() -> None:
    by_source = {
        "summary": {"a": estimate([0.1000, 0.1002], half=0.02)},
        "random": {"a": estimate([0.0900, 0.0902], half=0.015)},
        "coreset": {"a": estimate([0.095, 0.097])},
        "random_stopped": {"a": estimate([0.12], half=0.02)},
        "full": {"a": estimate([0.11, 0.12])},
    }
    found = comparisons(by_source)
    assert list(found) == ["coreset", "random", "random_stopped"]
    # The figures' own intervals overlap by far; draw by draw they differ by 0.005 at most from the mean.
    random = found["random"]["a"]
    assert random.difference == pytest.approx(0.01)
    assert (random.low, random.high) == pytest.approx((0.01 - 0.00475, 0.01 + 0.00475), abs=1e-5)
    assert random.disjoint is True
    assert found["coreset"]["a"].difference == pytest.approx(0.0041)
    assert found["coreset"]["a"].disjoint is False
    assert found["random_stopped"]["a"].difference == pytest.approx(-0.0199)
    assert found["random_stopped"]["a"].disjoint is True
    assert comparisons({"random": by_source["random"]}) == {}


def test_a_rival_is_set_against_what_was_trained_as_it_was() -> None:
    by_source = {
        "summary": {"m": estimate([1.0])},
        "summary_long": {"m": estimate([2.0])},
        "summary_own_embedding": {"m": estimate([3.0])},
        "random_labelled": {"m": estimate([0.0])},
        "random_labelled_long": {"m": estimate([0.0])},
        "random_labelled_bytes_own_embedding": {"m": estimate([0.0])},
    }
    found = {rival: figures["m"].difference for rival, figures in comparisons(by_source).items()}
    assert found == {
        "random_labelled": 1.0,
        "random_labelled_long": 2.0,
        "random_labelled_bytes_own_embedding": 3.0,
    }
