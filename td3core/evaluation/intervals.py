"""Student's 95% intervals of a mean over few seeds."""

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


def ratio_interval(above: Sequence[float], below: Sequence[float]) -> Interval | None:
    """Return the interval of `mean(above) / mean(below)`, two independent samples of positive means.

    By the delta method on the logarithm, with the degrees of freedom of Welch and Satterthwaite (Biometrics Bulletin
    1946), rounded down; none where a sample has one value, or a mean is not positive.
    """
    if min(len(above), len(below)) < 2:
        return None
    means = statistics.fmean(above), statistics.fmean(below)
    if min(means) <= 0:
        return None
    terms = [
        statistics.variance(values) / (len(values) * mean**2)
        for values, mean in zip((above, below), means, strict=True)
    ]
    ratio, variance = means[0] / means[1], sum(terms)
    if not variance:
        return Interval(ratio, ratio)
    parts = (term**2 / (len(values) - 1) for term, values in zip(terms, (above, below), strict=True))
    spread = math.exp(t_quantile(math.floor(variance**2 / sum(parts) + 1e-9)) * math.sqrt(variance))
    return Interval(ratio / spread, ratio * spread)


def t_quantile(freedom: int) -> float:
    """Return the t that a variable of so many degrees of freedom stays within, either way, 95 times in 100."""
    return float(special.stdtrit(freedom, (1 + CONFIDENCE) / 2))
