"""Kendall's rank correlation: do two figures put the same things in the same order?"""

import math
from collections.abc import Sequence
from itertools import combinations


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return `tau-b = (concordant - discordant) / sqrt((pairs - ties in first) (pairs - ties in second))`.

    Kendall, "The Treatment of Ties in Ranking Problems", Biometrika 1945. None where all values of one side tie.
    """
    signs = [
        (_sign(a - b), _sign(x - y)) for (a, x), (b, y) in combinations(zip(first, second, strict=True), 2)
    ]
    untied = sum(a != 0 for a, _ in signs) * sum(x != 0 for _, x in signs)
    return sum(a * x for a, x in signs) / math.sqrt(untied) if untied else None


def kendall_p_value(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return the exact two-sided probability of a tau at least as far from zero if all orders were alike likely.

    Kendall, "A New Measure of Rank Correlation", Biometrika 1938: orders of n things are counted by their discordant
    pairs, thing after thing. None where values tie, for which the count does not hold.
    """
    n = len(first)
    if len(set(first)) < n or len(set(second)) < n:
        return None
    orders = [1]  # how many orders have so many discordant pairs
    for things in range(2, n + 1):
        orders = [
            sum(orders[max(0, pairs - things + 1) : pairs + 1]) for pairs in range(len(orders) + things - 1)
        ]
    most = len(orders) - 1
    discordant = sum(
        _sign(a - b) != _sign(x - y) for (a, x), (b, y) in combinations(zip(first, second, strict=True), 2)
    )
    extreme = min(discordant, most - discordant)
    tail = sum(orders[: extreme + 1])
    return min(1.0, 2 * tail / sum(orders))


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
