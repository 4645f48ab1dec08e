"""How far a run has come: what a caller sees between two pieces of work."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

Stage = Literal["reading", "teacher", "distilling", "packing", "evaluating"]

A = TypeVar("A")
B = TypeVar("B")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a run."""

    stage: Stage
    step: int
    """Steps done in this stage."""
    steps: int
    """Steps this stage takes at most."""
    losses: Mapping[str, float] = field(default_factory=dict[str, float])
    """Latest training losses by name, such as `outer`."""
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    """Latest ranking metrics by name, such as `ndcg@10`, on the validation items or the held-out ones."""
    fraction: float = 0.0
    """How much of the whole run is done, 0 to 1."""
    eta_seconds: float | None = None
    """Estimated seconds to the end of the run; none before there is anything to go by."""


def relay(work: Generator[A, None, R], convert: Callable[[A], B]) -> Generator[B, None, R]:
    """Go through `work`, passing on each report as `convert` makes it; return what `work` returns."""
    while True:
        try:
            report = next(work)
        except StopIteration as finished:
            return finished.value
        yield convert(report)
