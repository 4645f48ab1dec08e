"""The least that a piece of work can take: its floating-point operations at the rate of a large matrix product."""

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

_SIZE = 512
_PRODUCTS = 30


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
