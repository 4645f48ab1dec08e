import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from td3core.evaluation.intervals import mean_interval, ratio_interval, t_quantile
from td3core.results.figures import Interval


@pytest.mark.parametrize(
    ("freedom", "expected"),
    # Fisher and Yates, "Statistical Tables", table III, P = 0.05
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (10, 2.228), (29, 2.045), (120, 1.980)],
)
def test_quantiles_of_the_printed_table(freedom: int, expected: float) -> None:
    assert t_quantile(freedom) == pytest.approx(expected, abs=5e-4)


@given(freedom=st.integers(1, 200))
@settings(deadline=None)
def test_quantiles_hold_95_hundredths_of_the_density(freedom: int) -> None:
    # Student's density, summed up over the middles of narrow strips
    edge = t_quantile(freedom)
    strips = 40_000
    middles = (np.arange(strips) + 0.5) / strips * edge
    log_height = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    density = np.exp(log_height - (freedom + 1) / 2 * np.log1p(middles**2 / freedom))
    assert 2 * density.sum() * edge / strips == pytest.approx(0.95, abs=1e-7)


figures = st.lists(st.floats(0.01, 1.0), min_size=2, max_size=6)


@given(values=figures, other=figures, factor=st.floats(0.1, 10.0))
@settings(deadline=None)
def test_intervals_hold_their_estimate_and_go_with_the_scale(
    values: list[float], other: list[float], factor: float
) -> None:
    mean, ratio = mean_interval(values), ratio_interval(values, other)
    assert mean is not None
    assert ratio is not None
    half = t_quantile(len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    assert mean == pytest.approx((np.mean(values) - half, np.mean(values) + half), abs=1e-9)
    quotient = np.mean(values) / np.mean(other)
    assert ratio.low <= quotient * (1 + 1e-9)
    assert ratio.high >= quotient * (1 - 1e-9)
    assert ratio.low * ratio.high == pytest.approx(quotient**2)
    scaled = [factor * value for value in values]
    assert mean_interval(scaled) == pytest.approx((factor * mean.low, factor * mean.high), abs=1e-9)
    inverse = ratio_interval(other, values)
    assert inverse == pytest.approx((1 / ratio.high, 1 / ratio.low))


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
