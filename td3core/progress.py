"""Reports of the progress of a run."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

Stage = Literal["reading", "teacher", "distilling", "packing", "evaluating"]

_DISTILLATION: tuple[Stage, ...] = ("teacher", "distilling")

A = TypeVar("A")
B = TypeVar("B")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a run."""

    stage: Stage
    step: int
    """Number of completed steps of this stage."""
    steps: int
    """Maximum number of steps of this stage."""
    losses: Mapping[str, float] = field(default_factory=dict[str, float])
    """Latest training losses by name, such as `outer`."""
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    """Latest ranking metrics by name, such as `ndcg@10`, on the validation items or the held-out ones."""
    warning: str | None = None
    """What has just gone wrong, for those who watch; the run goes on."""
    fraction: float = 0.0
    """Progress of the whole run, from 0 to 1."""
    eta_seconds: float | None = None
    """Estimated remaining seconds; None while there is no estimate."""


def relay(work: Generator[A, None, R], convert: Callable[[A], B]) -> Generator[B, None, R]:
    """Iterate over `work` and yield its converted reports; return what `work` returns."""
    while True:
        try:
            report = next(work)
        except StopIteration as finished:
            return finished.value
        yield convert(report)


def distillation_seconds(seconds: Mapping[Stage, float]) -> float:
    """Return what teacher and distillation took of the seconds of each stage of a run."""
    return sum(seconds[stage] for stage in _DISTILLATION)
