"""Item sequences of a log: the leave-last-out split, and batches of them as tensors."""

from td3core.data.batches import (
    ChunksState,
    EndlessChunks,
    Histories,
    SupervisedChunks,
    chunk_batches,
    latest_items,
    room_for_chunks,
    supervise,
)
from td3core.data.compressed import parquet_bytes
from td3core.data.sequences import Sequences, Split, build_sequences, leave_last_out, popularity

__all__ = [
    "ChunksState",
    "EndlessChunks",
    "Histories",
    "Sequences",
    "Split",
    "SupervisedChunks",
    "build_sequences",
    "chunk_batches",
    "latest_items",
    "leave_last_out",
    "parquet_bytes",
    "popularity",
    "room_for_chunks",
    "supervise",
]
