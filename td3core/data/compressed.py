"""What a log takes when it is compressed, with which the size of its summary is compared."""

import io

import numpy as np
import polars as pl

from td3core.data.sequences import Sequences

_LEVEL = 19  # of zstd: the highest that takes no more memory to read
_MANY_ROWS = 1_000_000
_LEVEL_OF_MANY = (
    9  # an eighth of the time for 3 to 10% more bytes, of a file that is far larger than any summary
)


def parquet_bytes(sequences: Sequences) -> int:
    """Return the size of the interactions as a Parquet file with zstd: user and item, each user's in order.

    Users are numbered, because a summary does not hold their ids either, and there are no timestamps: the order says
    what the method reads of them.
    """
    users = np.repeat(np.arange(sequences.n_users, dtype=np.uint32), sequences.lengths)
    items = sequences.item_ids.gather(sequences.items)
    file = io.BytesIO()
    level = _LEVEL if len(items) <= _MANY_ROWS else _LEVEL_OF_MANY
    pl.DataFrame({"user": users, "item": items}).write_parquet(
        file, compression_level=level, statistics=False
    )
    return file.tell()
