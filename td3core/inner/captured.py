"""Recording what a function asks of a GPU, so that it is asked for all at once from then on.

A step of an inner loop is hundreds of operations that take a GPU a few microseconds each, and it takes the CPU several
times as long to ask for one. A graph of CUDA (Gray, "Getting started with CUDA graphs", NVIDIA 2019) is asked for as a
whole. It works on the memory that it was recorded with: what goes in is copied there, and shapes cannot change.
"""

import functools
import gc
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from td3core.catalogue.blocks import block_scores
from td3core.inner.nested import filled, leaves_of, tensors_of

MOST_RECORDINGS = 4
"""Of one function, unless it says otherwise: each keeps the memory of what goes in and comes out."""
_TRIALS = 2
"""Calls before a recording: what libraries set up at their first use cannot be recorded."""
_copy_all: Callable[[list[Tensor], list[Tensor]], None] = torch.ops.aten._foreach_copy_.default
"""Copy tensors to others of the same type, all at once."""

R = TypeVar("R")
log = logging.getLogger(__name__)


class _Process:
    """Whether this process records: a recording that failed leaves torch's allocator unfit for another one."""

    records = True


def captured(
    function: Callable[..., R], *, most: int = MOST_RECORDINGS, generator: torch.Generator | None = None
) -> Callable[..., R]:
    """Return the function, recorded at its first call with tensors of new shapes on a GPU, and replayed after that.

    Arguments and results are tensors, None, and nested tuples of these; nothing but the values of the arguments may
    differ from call to call, and the function may not wait for the GPU. Results hold until the next call, whatever its
    shapes are. Where it cannot be recorded, and on a CPU, the function is called as it is.

    Args:
        function: What to record.
        most: How many shapes are recorded; others are left to the function itself.
        generator: Of its random numbers, which are others at each replay.
    """
    recorder = _Recorder(function, most, generator)

    @functools.wraps(function)
    def call(*arguments: Any) -> R:
        if not _Process.records or not tensors_of(arguments)[0].is_cuda:
            return function(*arguments)
        return recorder(*arguments)

    return call


class _Recorder(Generic[R]):
    """A function with its recordings, which share the memory that they work in."""

    def __init__(self, function: Callable[..., R], most: int, generator: torch.Generator | None) -> None:
        self._function = function
        self._most = most
        self._generator = generator
        self._known: dict[object, _Graph[R]] = {}
        self._blocks = 0
        self._full = False

    def __call__(self, *arguments: Any) -> R:
        device = tensors_of(arguments)[0].device
        if self._blocks != block_scores(device):  # what was recorded has blocks that no longer fit
            self._known.clear()
            self._blocks = block_scores(device)
        key = tuple(leaf if leaf is None else (leaf.dtype, leaf.shape) for leaf in leaves_of(arguments))
        known = self._known.get(key)
        if known is None:
            if len(self._known) == self._most:
                if not self._full:
                    log.warning("More than %d shapes: the others are not recorded", self._most)
                self._full = True
                return self._function(*arguments)
            try:
                known = self._known[key] = self._record(arguments, device)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                reason = str(_first(error)).splitlines()
                log.warning("Nothing is recorded from here on: %s", " ".join(reason[:2]))
                self._give_up()
                return self._function(*arguments)
        return known(*arguments)

    def _record(self, arguments: tuple[Any, ...], device: torch.device) -> "_Graph[R]":
        """Record a call with copies of these arguments."""
        with torch.cuda.device(device):
            inputs = tuple(tensor.detach().clone() for tensor in tensors_of(arguments))
            own = filled(arguments, iter(inputs))
            stream, current = _stream(device), torch.cuda.current_stream(device)
            self._try(own, stream, current)
            graph = torch.cuda.CUDAGraph()
            if self._generator is not None:
                graph.register_generator_state(self._generator)
            pool = next((known.graph.pool() for known in self._known.values()), None)
            with _keeping_garbage(), torch.cuda.stream(current), torch.cuda.graph(graph, pool, stream):
                result = self._function(*own)
        return _Graph(graph, inputs, result)

    def _try(self, own: tuple[Any, ...], stream: torch.cuda.Stream, current: torch.cuda.Stream) -> None:
        """Call the function aside, and leave the generator as it was."""
        drawn_from = None if self._generator is None else self._generator.get_state()
        stream.wait_stream(current)
        try:
            with torch.cuda.stream(stream):
                for _ in range(_TRIALS):
                    self._function(*own)
        finally:
            current.wait_stream(stream)
            if self._generator is not None and drawn_from is not None:
                self._generator.set_state(drawn_from)

    def _give_up(self) -> None:
        """Record no more, and let the generator forget the recording that failed."""
        _Process.records = False
        self._known.clear()
        if self._generator is not None:
            self._generator.graphsafe_set_state(self._generator.clone_state())


@functools.cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """Return where all is recorded: cuBLAS keeps a workspace for each stream that it has ever worked on."""
    return torch.cuda.Stream(device)


@contextmanager
def _keeping_garbage() -> Generator[None]:
    """Collect no garbage: a recording fails if another graph, one that nothing holds, ends during it."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _first(error: BaseException) -> BaseException:
    """Return the error that was followed by this one: that a recording cannot be ended says nothing."""
    while error.__context__ is not None:
        error = error.__context__
    return error


@dataclass(frozen=True)
class _Graph(Generic[R]):
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
