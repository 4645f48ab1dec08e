"""Numbers for ids."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

IntArray = npt.NDArray[np.int64]


class Numbered(NamedTuple):
    """The distinct ids in order of first appearance, and for every id its row among them."""

    ids: pl.Series
    rows: IntArray


def number_ids(ids: pl.Series) -> Numbered:
    """Number ids from 0 by first appearance."""
    distinct = ids.unique(maintain_order=True)
    rows = ids.cast(pl.Enum(distinct)).to_physical().cast(pl.Int64).to_numpy()
    return Numbered(distinct, rows)
