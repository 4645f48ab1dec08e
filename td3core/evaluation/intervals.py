"""Student's 95% interval of a mean over few seeds."""

import math
import statistics
from collections.abc import Sequence

from scipy import special

from td3core.results import Interval

CONFIDENCE = 0.95


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Return `mean ± t s / sqrt(n)`, t with n - 1 degrees of freedom (Student, Biometrika 1908); none of one value."""
    if len(values) < 2:
        return None
    mean = statistics.fmean(values)
    half = t_quantile(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return Interval(mean - half, mean + half)


def t_quantile(freedom: int) -> float:
    """Return the t that a variable of so many degrees of freedom stays within, either way, 95 times in 100."""
    return float(special.stdtrit(freedom, (1 + CONFIDENCE) / 2))
