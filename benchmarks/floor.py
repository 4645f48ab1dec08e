"""The least that a piece of work can take: its floating-point operations at the rate of a large matrix product."""

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode, register_flop_formula

import td3core.catalogue.sums  # noqa: F401 - defines the operations that are counted below

_SIZE = 512
_PRODUCTS = 30
Shape = tuple[int, int]


@register_flop_formula(torch.ops.td3core.sums)
def _of_sums(queries: Shape, keys: Shape, values: Shape, **_: object) -> int:
    """Scores, and their mean of the values."""
    return 2 * queries[0] * keys[0] * (keys[1] + values[1])


@register_flop_formula(torch.ops.td3core.pull_back)
def _of_pull_back(
    queries: Shape, keys: Shape, values: Shape, *others: object, learned_keys: bool = False, **_: object
) -> int:
    """Scores again, what the adjoint makes of the values, and the way back to the queries and to learned keys."""
    products_with_keys = 3 if learned_keys or True in others else 2
    return 2 * queries[0] * keys[0] * (products_with_keys * keys[1] + values[1])


def operations(work: Callable[[], object]) -> int:
    """Count the operations of the matrix products in `work`, those of its derivatives included."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def operations_a_second() -> float:
    """Measure the best rate of a square product on the threads that torch is given."""
    matrix = torch.randn(_SIZE, _SIZE)
    best = float("inf")
    for _ in range(_PRODUCTS):
        started = time.perf_counter()
        torch.mm(matrix, matrix)
        best = min(best, time.perf_counter() - started)
    return 2 * _SIZE**3 / best
