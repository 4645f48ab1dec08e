"""Numbers for ids."""

import numpy as np
import numpy.typing as npt
import polars as pl

IntArray = npt.NDArray[np.int64]


def number_ids(ids: pl.Series) -> tuple[pl.Series, IntArray]:
    """The distinct ids in order of first appearance, and for every id its row among them."""
    distinct = ids.unique(maintain_order=True)
    rows = ids.cast(pl.Enum(distinct)).to_physical().cast(pl.Int64).to_numpy()
    return distinct, rows
