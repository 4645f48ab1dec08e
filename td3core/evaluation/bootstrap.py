"""Where figures could have come out with other users and other seeds.

Users are resampled (Efron, "Bootstrap Methods", Annals of Statistics 1979), the same ones for every figure: what two
figures of one resample differ by, or the ratio of them, is that of the same users, which is far surer than either
figure.

Seeds are too few to be resampled: three of them have ten means, and two have half the variance. Their error is drawn
from Student's t around the mean (Biometrika 1908), for each source by itself, so that a difference of two has the
interval of Behrens and Fisher. Where all users agree, an interval is Student's. A single seed shows nothing of other
seeds; its intervals are over users alone.
"""

import zlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Int32
from numpy.typing import NDArray
from scipy import special
from torch import Tensor

from td3core.evaluation.intervals import CONFIDENCE
from td3core.ranking import metrics_by_user, ranking_metrics
from td3core.results import Interval

RESAMPLES = 2000
_SEED = 0
_COUNTS_A_BLOCK = 1 << 21
_UNIT = float(1 << 24)
"""Figures of a user are rounded to parts of so many: sums of whole numbers are the same bits in any order."""

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A figure, and where it could have come out."""

    values: tuple[float, ...]
    """Of each seed."""
    draws: NDArray[np.float64]
    """Draw n of each figure of one bootstrap is of the same users."""

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return fmean(self.values)


def estimates(
    ranks: Mapping[K, Int32[Tensor, "seeds users"]], cutoffs: Sequence[int]
) -> dict[K, dict[str, Estimate]]:
    """Return every metric at every cut-off of several sources, of which each has the ranks of the same users."""
    columns: dict[tuple[K, str], NDArray[np.float64]] = {}
    values: dict[tuple[K, str], tuple[float, ...]] = {}
    for key, rows in ranks.items():
        by_seed = [ranking_metrics(row, cutoffs) for row in rows]
        by_user = [metrics_by_user(row, cutoffs) for row in rows]
        for name in by_seed[0]:
            columns[key, name] = torch.stack([figures[name] for figures in by_user]).mean(0).cpu().numpy()
            values[key, name] = tuple(figures[name] for figures in by_seed)
    if not columns:
        return {}
    deviations = _by_users(np.stack(list(columns.values()), axis=1))  # (resamples, figures)
    found: dict[K, dict[str, Estimate]] = {key: {} for key in ranks}
    for column, (key, name) in zip(deviations.T, columns, strict=True):
        seeds = values[key, name]
        draws = fmean(seeds) + column + _by_seeds(seeds, repr(key))
        found[key][name] = Estimate(seeds, draws)
    return found


def interval(draws: NDArray[np.float64]) -> Interval | None:
    """Return where 95 of 100 draws lie; None if that has no end."""
    ends = ends_of(draws)
    return ends if np.isfinite(ends).all() else None


def ends_of(draws: NDArray[np.float64]) -> Interval:
    """Return between which ends 95 of 100 draws lie; either may be infinite."""
    tail = (1 - CONFIDENCE) / 2
    return Interval(
        float(np.quantile(draws, tail, method="lower")), float(np.quantile(draws, 1 - tail, method="higher"))
    )


def _by_users(figures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by what the mean over users (users, figures) differs in each resample (resamples, figures) of users."""
    users = len(figures)
    whole = np.rint(figures * _UNIT)
    generator = np.random.default_rng(_SEED)
    size = max(1, _COUNTS_A_BLOCK // users)
    blocks: list[NDArray[np.float64]] = []
    for start in range(0, RESAMPLES, size):
        rows = min(size, RESAMPLES - start)
        drawn = generator.integers(users, size=(rows, users)) + users * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * users).reshape(rows, users)
        blocks.append((counts.astype(np.float64) - 1) @ whole)
    return np.concatenate(blocks) / (_UNIT * users)


def _by_seeds(values: Sequence[float], name: str) -> NDArray[np.float64]:
    """Return draws of the error of a mean over seeds, whose own order is drawn by the name.

    They are the quantiles of Student's distribution in equal steps: its tails are too heavy for random draws.
    """
    if len(values) < 2:
        return np.zeros(RESAMPLES)
    shares = (np.arange(RESAMPLES) + 0.5) / RESAMPLES
    order = np.random.default_rng(zlib.crc32(name.encode())).permutation(shares)
    return special.stdtrit(len(values) - 1, order) * stdev(values) / len(values) ** 0.5
