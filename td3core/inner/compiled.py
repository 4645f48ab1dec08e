"""Compiling functions that differentiate, twice if they like.

PyTorch's compiler differentiates what it compiles once, and the way back through a training step needs two
derivatives. So a function is traced first, with its calls of autograd, to a flat graph of operations, and that graph is
compiled as one that needs no derivative (Ansel et al., "PyTorch 2", ASPLOS 2024).
"""

import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from td3core.catalogue import Catalogue
from td3core.errors import CompilerError
from td3core.inner.nested import filled, leaves_of, tensors_of

MOST_OPERATIONS = 3000
"""A longer graph, as that of a recurrent learner over its steps, takes minutes to compile."""

R = TypeVar("R")
log = logging.getLogger(__name__)


def compiled(function: Callable[..., R], *, required: bool = False) -> Callable[..., R]:
    """Return the function, compiled at its first call with tensors of new shapes.

    Its arguments are a catalogue, whose candidates may be others in number at each call, and tensors, None, and named
    tuples of these, as its results are. Where the graph is too long or the compiler fails, the function stays as it is.

    Raises:
        CompilerError: At a call, with `required`, instead of the function staying as it is.
    """
    known: dict[object, Callable[..., R]] = {}

    @functools.wraps(function)
    def call(*arguments: Any) -> R:
        catalogue: Catalogue = arguments[0]
        varying = len(catalogue) if catalogue.rows is not None else 0
        leaves = list(leaves_of(arguments))
        key = tuple(leaf if leaf is None else (leaf.dtype, leaf.shape) for leaf in leaves[varying:])
        if key not in known:
            try:
                known[key] = _compile(function, arguments, varying)
            except CompilerError as error:
                if required:
                    raise
                log.warning("Not compiled: %s", error)
                known[key] = function
        return known[key](*arguments)

    return call


def _compile(function: Callable[..., R], arguments: tuple[Any, ...], varying: int) -> Callable[..., R]:
    """Trace the function with these arguments; the first size of the first `varying` tensors is not fixed."""
    results: list[R] = []

    def flat(*tensors: Tensor) -> tuple[Tensor, ...]:
        results.append(function(*filled(arguments, iter(tensors))))
        return tensors_of(results[-1])

    with _Few():  # much faster than to trace for nothing
        flat(*tensors_of(arguments))
    graph = make_fx(flat)(*tensors_of(arguments))
    for tensor in tensors_of(arguments)[:varying]:
        torch._dynamo.mark_dynamic(tensor, 0)  # pyright: ignore[reportPrivateUsage] - its only name
    fast = torch.compile(graph, fullgraph=True, options={"cpp.threads": torch.get_num_threads()})
    shape = results[0]

    @torch.no_grad()
    def call(*arguments: Any) -> R:
        return filled(shape, iter(fast(*tensors_of(arguments))))

    try:
        call(*arguments)
    except RuntimeError as error:  # which all errors of the compiler are
        raise CompilerError(" ".join(str(error).splitlines()[:2])) from error
    return call


class _Few(TorchDispatchMode):
    """Refuses more than `MOST_OPERATIONS`."""

    def __init__(self) -> None:
        super().__init__()
        self._done = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._done += 1
        if self._done > MOST_OPERATIONS:
            raise CompilerError(f"more than {MOST_OPERATIONS} operations are too many to compile")
        return func(*args, **(kwargs or {}))
