import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from td3core.evaluation.intervals import mean_interval, t_quantile


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


def test_interval_of_a_mean_by_hand() -> None:
    # mean 2, standard deviation 1, three values: 2 -+ 4.3027 / sqrt(3)
    found = mean_interval([1.0, 2.0, 3.0])
    assert found == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-4)
    assert mean_interval([5.0, 5.0]) == (5.0, 5.0)
    assert mean_interval([5.0]) is None
