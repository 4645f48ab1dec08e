"""What a new spec may ask for at most.

Stored specs are not held to it: a spec that was accepted once stays readable, whatever is bounded later.
"""

from collections.abc import Iterator

from td3core.config.base import MOST_ITEMS, Config
from td3core.config.evaluation import EvaluationSpec
from td3core.config.faults import Fault
from td3core.config.job import JobSpec

_MOST_TRAININGS = 10_000  # 4 architectures on every source with 50 seeds are about half as many
_LARGEST_INPUT = 1_000_000_000
"""Numbers in the expected embeddings of a summary: 4 GB, of which a run holds several."""


def excesses(spec: JobSpec | EvaluationSpec) -> Iterator[Fault]:
    """Yield what a valid spec asks too much of."""
    yield from _long_lists(spec)
    yield from _too_large(spec) if isinstance(spec, JobSpec) else _too_many(spec)


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


def _too_many(spec: EvaluationSpec) -> Iterator[Fault]:
    if spec.trainings > _MOST_TRAININGS:
        yield Fault(
            ("seeds",),
            spec.seeds,
            reason=f"asks for {spec.trainings:,} trainings, with its learners, sources and trend; at most "
            f"{_MOST_TRAININGS:,} are allowed",
        )


def _too_large(spec: JobSpec) -> Iterator[Fault]:
    size = spec.summary.users * spec.summary.length * spec.learner.embedding_size
    if size > _LARGEST_INPUT:
        yield Fault(
            ("summary", "users"),
            spec.summary.users,
            reason=f"with summary.length = {spec.summary.length} and learner.embedding_size = "
            f"{spec.learner.embedding_size} makes {size:,} numbers; at most {_LARGEST_INPUT:,} are allowed",
        )
