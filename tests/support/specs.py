"""Specs of jobs that end within seconds."""

from typing import Any

from td3core.config import JobSpec, SummaryConfig

SMALL_SPEC: dict[str, Any] = {
    "learner": {"embedding_size": 8, "inner_size": 16, "max_length": 10},
    "teacher": {"members": 1, "max_epochs": 2},
    "summary": {"users": 4, "length": 10},
    "inner": {"steps": 10, "window": 3, "compile": "never"},
    "outer": {"steps": 4, "validate_every": 2, "validation_learners": 1},
}


def with_outer_steps(steps: int) -> dict[str, Any]:
    """The small spec, made as long as a test needs."""
    return {**SMALL_SPEC, "outer": {**SMALL_SPEC["outer"], "steps": steps, "validate_every": steps}}


WORKER_SPEC = {
    "learner": {"embedding_size": 8, "inner_size": 16, "max_length": 8},
    "teacher": {"members": 1, "max_epochs": 2},
    "summary": {"users": 4, "length": 6},
    "inner": {"steps": 10, "window": 3, "pool_size": 2, "compile": "never"},
}
SHORT_SPEC = {**WORKER_SPEC, "outer": {"steps": 40, "validate_every": 20, "validation_learners": 1}}
TINY_SPEC = JobSpec.model_validate(
    {
        "learner": {"embedding_size": 16, "inner_size": 16, "max_length": 20, "dropout": 0.1},
        "teacher": {"members": 1, "max_epochs": 6},
        "summary": {"users": 6, "length": 12, "rank_users": 4, "rank_time": 5},
        "inner": {"steps": 20, "window": 5, "lr": 0.01, "batch_users": 3, "pool_size": 3},
        "outer": {"steps": 6, "validate_every": 3, "validation_learners": 1},
        "certificate": {"learners": 2},
    }
)
FARZI_SPEC = TINY_SPEC.model_copy(
    update={"summary": SummaryConfig(kind="farzi", users=6, length=12, rank=5, temperature=0.5)}
)
