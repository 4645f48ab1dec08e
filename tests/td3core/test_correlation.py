from itertools import combinations, permutations

import pytest

from td3core.correlation import kendall_p_value, kendall_tau


def test_tau_by_hand() -> None:
    assert kendall_tau([1, 2, 3], [10, 20, 30]) == 1
    assert kendall_tau([1, 2, 3], [30, 20, 10]) == -1
    # of the pairs of 3 4 1 2 5, four are out of order and six in order
    assert kendall_tau([1, 2, 3, 4, 5], [3, 4, 1, 2, 5]) == pytest.approx(0.2)


def test_tau_with_ties() -> None:
    # the example of scipy.stats.kendalltau's documentation
    assert kendall_tau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0]) == pytest.approx(-0.47140452)
    assert kendall_tau([1, 1, 1], [1, 2, 3]) is None


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (1, 0, 2, 4, 3), (4, 2, 3, 0, 1), (2, 0, 4, 1, 3)])
def test_p_value_counts_all_orders(order: tuple[int, ...]) -> None:
    def tau(given: tuple[int, ...]) -> int:
        return sum(1 if first < second else -1 for first, second in combinations(given, 2))

    everything = list(permutations(range(5)))
    expected = sum(abs(tau(other)) >= abs(tau(order)) for other in everything) / len(everything)
    assert kendall_p_value(range(5), order) == pytest.approx(expected)


def test_p_value_of_the_same_order_of_eight() -> None:
    assert kendall_p_value(range(8), range(8)) == pytest.approx(2 / 40320)
    assert kendall_p_value([1, 1, 2], [1, 2, 3]) is None
