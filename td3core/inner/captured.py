"""Recording what a function asks of a GPU, so that it is asked for all at once from then on.

A step of an inner loop is hundreds of operations that take a GPU a few microseconds each, and it takes the CPU several
times as long to ask for one. A graph of CUDA (Gray, "Getting started with CUDA graphs", NVIDIA 2019) is asked for as a
whole. It works on the memory that it was recorded with: what goes in is copied there, and shapes cannot change.
"""

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from td3core.inner.nested import filled, leaves_of, tensors_of

MOST_RECORDINGS = 4
"""Of one function, unless it says otherwise: each keeps the memory of what goes in and comes out."""
_TRIALS = 2
"""Calls before a recording: what libraries set up at their first use cannot be recorded."""
_copy_all: Callable[[list[Tensor], list[Tensor]], None] = torch.ops.aten._foreach_copy_.default
"""Copy tensors to others of the same type, all at once."""

R = TypeVar("R")
log = logging.getLogger(__name__)


def captured(
    function: Callable[..., R], *, most: int = MOST_RECORDINGS, generator: torch.Generator | None = None
) -> Callable[..., R]:
    """Return the function, recorded at its first call with tensors of new shapes on a GPU, and replayed after that.

    Arguments and results are tensors, None, and nested tuples of these; nothing but the values of the arguments may
    differ from call to call, and the function may not wait for the GPU. Results hold until the next call. Where it
    cannot be recorded, and on a CPU, the function is called as it is.

    Args:
        function: What to record.
        most: How many shapes are recorded; others are left to the function itself.
        generator: Of its random numbers, which are others at each replay.
    """
    known: dict[object, Callable[..., R]] = {}
    pool = functools.cache(torch.cuda.graph_pool_handle)  # one for all shapes: only one of them is at work

    @functools.wraps(function)
    def call(*arguments: Any) -> R:
        if not tensors_of(arguments)[0].is_cuda:
            return function(*arguments)
        key = tuple(leaf if leaf is None else (leaf.dtype, leaf.shape) for leaf in leaves_of(arguments))
        if key not in known:
            if len(known) == most:
                return function(*arguments)
            try:
                known[key] = _recording(function, arguments, pool=pool(), generator=generator)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                log.warning("Not recorded: %s", " ".join(str(error).splitlines()[:2]))
                known[key] = function
        return known[key](*arguments)

    return call


@dataclass(frozen=True)
class _Recording(Generic[R]):
    """A graph with the memory that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, ...]
    result: R

    @torch.no_grad()
    def __call__(self, *arguments: Any) -> R:
        given = tensors_of(arguments)
        for dtype in {tensor.dtype for tensor in given}:
            pairs = [pair for pair in zip(self.inputs, given, strict=True) if pair[0].dtype == dtype]
            _copy_all([mine for mine, _ in pairs], [theirs for _, theirs in pairs])
        self.graph.replay()
        return self.result


def _recording(
    function: Callable[..., R], arguments: tuple[Any, ...], *, pool: Any, generator: torch.Generator | None
) -> _Recording[R]:
    """Record a call with copies of these arguments."""
    inputs = tuple(tensor.detach().clone() for tensor in tensors_of(arguments))
    own = filled(arguments, iter(inputs))
    device = inputs[0].device
    aside, current = torch.cuda.Stream(device), torch.cuda.current_stream(device)
    aside.wait_stream(current)
    with torch.cuda.stream(aside):
        for _ in range(_TRIALS):
            function(*own)
    current.wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    if generator is not None:
        graph.register_generator_state(generator)
    with torch.cuda.graph(graph, pool=pool):
        result = function(*own)
    return _Recording(graph, inputs, result)
