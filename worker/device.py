"""The device of a run. Used only in the pool child, because CUDA does not work after a fork."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def prepare_device(name: str, *, threads: int) -> torch.device:
    """Return the device, resolving `auto`, and set the number of CPU threads."""
    torch.set_num_threads(threads)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


@contextmanager
def naming_memory_errors() -> Iterator[None]:
    """Convert the out-of-memory errors of torch to MemoryError."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise MemoryError(str(error)) from error
        raise
