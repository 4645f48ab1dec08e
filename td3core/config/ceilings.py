"""What a new spec may ask for at most.

Stored specs are not held to it: a spec that was accepted once stays readable, whatever is bounded later.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from td3core.config.base import MOST_ITEMS, Config
from td3core.config.evaluation import EvaluationSpec
from td3core.config.faults import Fault
from td3core.config.job import JobSpec

_LARGEST_INPUT = 1_000_000_000
"""Numbers in the expected embeddings of a summary: 4 GB, of which a run holds several."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What a spec may come to at most, by estimates in simple terms: it is products that take years or terabytes."""

    trainings: int = 10_000  # 4 architectures on every source with 50 seeds are about half as many
    """Learners that an evaluation trains."""
    steps: int = 50_000_000  # 5 ms each take three days
    """Training steps of all learners on a summary."""
    numbers: int = 20_000_000_000  # 80 GB
    """Numbers in memory during an outer step."""


def excesses(spec: JobSpec | EvaluationSpec, ceilings: Ceilings | None = None) -> Iterator[Fault]:
    """Yield what a valid spec asks too much of."""
    ceilings = ceilings or Ceilings()
    yield from _long_lists(spec)
    if isinstance(spec, JobSpec):
        yield from _too_large(spec)
        yield from _too_costly(spec, ceilings)
    else:
        yield from _too_many(spec, ceilings)


def _long_lists(config: Config, path: tuple[str, ...] = ()) -> Iterator[Fault]:
    """Of the fields whose schema has a largest number of items."""
    for name, field in type(config).model_fields.items():
        value, extra = getattr(config, name), field.json_schema_extra
        if isinstance(value, Config):
            yield from _long_lists(value, (*path, name))
        elif isinstance(value, tuple) and isinstance(extra, dict):
            most = extra.get(MOST_ITEMS)
            if isinstance(most, int) and len(value) > most:
                yield Fault((*path, name), list(value), expected=f"a list of at most {most}")


def _too_many(spec: EvaluationSpec, ceilings: Ceilings) -> Iterator[Fault]:
    if spec.trainings > ceilings.trainings:
        yield Fault(
            ("seeds",),
            spec.seeds,
            reason=f"asks for {spec.trainings:,} trainings, with its learners, sources and trend; at most "
            f"{ceilings.trainings:,} are allowed",
        )
        return
    if spec.steps is not None and (steps := spec.steps * spec.trainings) > ceilings.steps:
        yield Fault(
            ("steps",),
            spec.steps,
            reason=f"in {spec.trainings:,} trainings makes {steps:,} steps; at most {ceilings.steps:,} are allowed",
        )


def _too_costly(spec: JobSpec, ceilings: Ceilings) -> Iterator[Fault]:
    if (steps := _steps(spec)) > ceilings.steps:
        yield Fault(
            ("outer", "steps"),
            spec.outer.steps,
            reason=f"with inner.window, inner.learners and the validations makes {steps:,} steps of learners; at most "
            f"{ceilings.steps:,} are allowed",
        )
    if (numbers := _numbers(spec)) > ceilings.numbers:
        yield Fault(
            ("inner", "window"),
            spec.inner.differentiated,
            reason=f"with inner.learners and the size of learner and summary holds {numbers:,} numbers in memory; "
            f"at most {ceilings.numbers:,} are allowed",
        )


def _steps(spec: JobSpec) -> int:
    """Estimate the steps of learners on the summary: in outer steps, and in the fresh learners of validations."""
    inner, outer = spec.inner, spec.outer
    validations = outer.steps // outer.validate_every + 1
    return (
        outer.steps * (inner.learners or 1) * inner.differentiated
        + validations * outer.validation_learners * inner.life
    )


def _numbers(spec: JobSpec) -> int:
    """Estimate the numbers that an outer step holds.

    These are the state of each learner at each differentiated step, and what one step computes, which is computed again
    on the way back.
    """
    learner, inner, width = spec.learner, spec.inner, spec.learner.embedding_size
    weights = learner.layers * (4 * width**2 + 2 * width * learner.inner_size)
    state = 3 * weights  # with Adam's two moments
    positions = inner.batch_of(spec.summary.users) * spec.summary.length
    computed = positions * learner.layers * (6 * width + learner.inner_size)
    learners = inner.learners or 1
    pool = inner.pool_size if inner.warm_up == "pool" else 0
    return learners * (inner.differentiated * state + computed) + pool * state


def _too_large(spec: JobSpec) -> Iterator[Fault]:
    size = spec.summary.users * spec.summary.length * spec.learner.embedding_size
    if size > _LARGEST_INPUT:
        yield Fault(
            ("summary", "users"),
            spec.summary.users,
            reason=f"with summary.length = {spec.summary.length} and learner.embedding_size = "
            f"{spec.learner.embedding_size} makes {size:,} numbers; at most {_LARGEST_INPUT:,} are allowed",
        )
