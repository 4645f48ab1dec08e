"""Where a run computes. Called in the pool child alone: CUDA does not survive a fork."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def prepare_device(name: str, *, threads: int) -> torch.device:
    """Resolve `auto` and set the number of CPU threads."""
    torch.set_num_threads(threads)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


@contextmanager
def naming_memory_errors() -> Iterator[None]:
    """Raise what torch reports in its own ways as the MemoryError that it is."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise MemoryError(str(error)) from error
        raise
