"""Compiling functions that differentiate, twice if they like.

PyTorch's compiler differentiates what it compiles once, and the way back through a training step needs two
derivatives. So a function is traced first, with its calls of autograd, to a flat graph of operations, and that graph is
compiled as one that needs no derivative (Ansel et al., "PyTorch 2", ASPLOS 2024).
"""

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from td3core.candidates import Catalogue
from td3core.errors import CompilerError

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
    def call(catalogue: Catalogue, *arguments: Any) -> R:
        leaves, structure = pytree.tree_flatten((catalogue, *arguments))
        sampled = catalogue.rows is not None
        key = (structure, *map(_kind, leaves[len(catalogue) if sampled else 0 :]))
        if key not in known:
            try:
                known[key] = _compile(function, leaves, structure, varying=len(catalogue) if sampled else 0)
            except CompilerError as error:
                if required:
                    raise
                log.warning("Not compiled: %s", error)
                known[key] = function
        return known[key](catalogue, *arguments)

    return call


def _kind(leaf: Tensor | None) -> object:
    return None if leaf is None else (leaf.dtype, leaf.shape)


def _compile(
    function: Callable[..., R], leaves: Sequence[Tensor | None], structure: pytree.TreeSpec, *, varying: int
) -> Callable[..., R]:
    """Trace the function with these leaves, of which the first size of the first `varying` ones is not fixed."""
    shapes: list[pytree.TreeSpec] = []

    def flat(*tensors: Tensor) -> list[Tensor]:
        given = iter(tensors)
        filled = [None if leaf is None else next(given) for leaf in leaves]
        results, shape = pytree.tree_flatten(function(*pytree.tree_unflatten(filled, structure)))
        shapes.append(shape)
        return results

    tensors = [leaf for leaf in leaves if leaf is not None]
    with _Few():  # much faster than to trace for nothing
        flat(*tensors)
    graph = make_fx(flat)(*tensors)
    for tensor in tensors[:varying]:
        torch._dynamo.mark_dynamic(tensor, 0)  # pyright: ignore[reportPrivateUsage] - its only name
    fast = torch.compile(graph, fullgraph=True, options={"cpp.threads": torch.get_num_threads()})

    @torch.no_grad()
    def call(*arguments: Any) -> R:
        results = fast(*(leaf for leaf in pytree.tree_leaves(arguments) if leaf is not None))
        return pytree.tree_unflatten(results, shapes[0])

    try:
        call(*pytree.tree_unflatten(leaves, structure))
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
