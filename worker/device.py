"""The device of a run. Used only in the pool child, because CUDA does not work after a fork."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_CUBLAS_WORKSPACE = ":4096:8"
"""Sizes of buffers with which cuBLAS computes the same sums each time; `:16:8` takes less memory and is slower."""


def prepare_device(
    name: str, *, threads: int, tf32: bool = False, deterministic: bool = False
) -> torch.device:
    """Return the device, resolving `auto`, and set how this process computes.

    Args:
        name: `auto`, `cpu`, `cuda` or `cuda:N`.
        threads: Number of CPU threads.
        tf32: Compute products of float32 matrices on the tensor cores of a GPU, which round their factors to TF32.
            Has no effect on a CPU.
        deterministic: Use deterministic algorithms only. An operation that has none raises a RuntimeError. Has to be
            asked for before the first product on a GPU, because cuBLAS reads its variable then.
    """
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", _CUBLAS_WORKSPACE)
        torch.use_deterministic_algorithms(True)
    torch.set_num_threads(threads)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if tf32 and device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    return device


@contextmanager
def naming_memory_errors() -> Iterator[None]:
    """Convert the out-of-memory errors of torch to MemoryError."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise MemoryError(str(error)) from error
        raise
