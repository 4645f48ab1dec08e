import math

import pytest

from td3core.intervals import Interval, mean_interval, ratio_interval, t_quantile


@pytest.mark.parametrize(
    ("freedom", "expected"),
    # Fisher and Yates, "Statistical Tables", table III, P = 0.05
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (10, 2.228), (29, 2.045), (120, 1.980)],
)
def test_quantiles_of_the_printed_table(freedom: int, expected: float) -> None:
    assert t_quantile(freedom) == pytest.approx(expected, abs=5e-4)


def test_interval_of_a_mean_by_hand() -> None:
    # mean 2, standard deviation 1, three values: 2 -+ 4.3027 / sqrt(3)
    found = mean_interval([1.0, 2.0, 3.0])
    assert found == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-4)
    assert mean_interval([5.0, 5.0]) == (5.0, 5.0)
    assert mean_interval([5.0]) is None


def test_interval_of_a_ratio_by_hand() -> None:
    # Both samples have a squared relative standard error of 0.01 / 2: together 0.01, with 2 degrees of freedom.
    above, below = [2 * (1 + 0.1), 2 * (1 - 0.1)], [4 * (1 + 0.1), 4 * (1 - 0.1)]
    relative = math.sqrt(2 * (2 * 0.1**2) / 2)
    found = ratio_interval(above, below)
    spread = math.exp(4.30265 * relative)
    assert found == pytest.approx((0.5 / spread, 0.5 * spread), rel=1e-4)


def test_interval_of_a_ratio_leaves_the_sample_without_spread_out() -> None:
    found = ratio_interval([0.9, 1.0, 1.1], [2.0, 2.0, 2.0])
    half = 4.30265 * 0.1 / math.sqrt(3)
    assert found == pytest.approx((0.5 * math.exp(-half), 0.5 * math.exp(half)), rel=1e-4)
    assert ratio_interval([1.0, 1.0], [2.0, 2.0]) == (0.5, 0.5)


def test_no_interval_without_a_second_value_or_a_positive_mean() -> None:
    assert ratio_interval([1.0], [1.0, 2.0]) is None
    assert ratio_interval([1.0, 2.0], [0.0, 0.0]) is None


def test_disjoint_intervals_share_no_value() -> None:
    assert Interval(0.0, 1.0).disjoint(Interval(1.1, 2.0))
    assert Interval(1.1, 2.0).disjoint(Interval(0.0, 1.0))
    assert not Interval(0.0, 1.0).disjoint(Interval(1.0, 2.0))
    assert not Interval(0.0, 3.0).disjoint(Interval(1.0, 2.0))
