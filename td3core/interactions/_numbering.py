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

    def of(self, rows: IntArray) -> "Numbered":
        """Number anew what is left of `rows`, as `number_ids` would number their ids, without a look at the texts."""
        distinct = pl.Series(rows).unique(maintain_order=True)
        renumbered = np.empty(len(self.ids), dtype=np.int64)
        renumbered[distinct.to_numpy()] = np.arange(len(distinct))
        return Numbered(self.ids.gather(distinct), renumbered[rows])


def number_ids(ids: pl.Series) -> Numbered:
    """Number ids from 0 by first appearance."""
    distinct = ids.unique(maintain_order=True)
    rows = ids.cast(pl.Enum(distinct)).to_physical().cast(pl.Int64).to_numpy()
    return Numbered(distinct, rows)
