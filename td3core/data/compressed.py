"""What a log takes when it is compressed, with which the size of its summary is compared."""

import io

import numpy as np
import polars as pl

from td3core.data.sequences import Sequences

_LEVEL = 19  # of zstd: the highest that takes no more memory to read


def parquet_bytes(sequences: Sequences) -> int:
    """Return the size of the interactions as a Parquet file with zstd: user and item, each user's in order.

    Users are numbered, because a summary does not hold their ids either, and there are no timestamps: the order says
    what the method reads of them.
    """
    users = np.repeat(np.arange(sequences.n_users, dtype=np.uint32), sequences.lengths)
    items = sequences.item_ids.gather(sequences.items)
    file = io.BytesIO()
    pl.DataFrame({"user": users, "item": items}).write_parquet(
        file, compression_level=_LEVEL, statistics=False
    )
    return file.tell()
