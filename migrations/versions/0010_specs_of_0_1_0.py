"""The way back to 0.1.0, which refuses a spec with a field or a source that it does not know, and every list with it.

Revision: 0010, after 0009
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

JOB: dict[str, Any] = {
    "seed": ...,
    "data": {
        "format": ...,
        "columns": ...,
        "min_rating": ...,
        "min_user_interactions": ...,
        "min_item_interactions": ...,
        "core_filter": ...,
        "exclude_seen": ...,
    },
    "learner": {
        "kind": ...,
        "embedding_size": ...,
        "layers": ...,
        "heads": ...,
        "inner_size": ...,
        "max_length": ...,
        "dropout": ...,
    },
    "teacher": {"max_epochs": ..., "batch_size": ..., "lr": ..., "weight_decay": ..., "patience": ...},
    "summary": {
        "kind": ...,
        "users": ...,
        "length": ...,
        "rank_users": ...,
        "rank_time": ...,
        "rank": ...,
        "temperature": ...,
    },
    "inner": {
        "steps": ...,
        "window": ...,
        "optimizer": ...,
        "lr": ...,
        "momentum": ...,
        "weight_decay": ...,
        "schedule": ...,
        "learn_lr": ...,
        "batch_users": ...,
        "supervision": ...,
        "positions": ...,
        "warm_up": ...,
        "initial": ...,
        "pool_size": ...,
        "learners": ...,
        "precision": ...,
        "compile": ...,
    },
    "outer": {
        "steps": ...,
        "lr": ...,
        "weight_decay": ...,
        "clip": ...,
        "batch_size": ...,
        "candidates": ...,
        "averaging": ...,
        "alignment": ...,
        "alignment_at": ...,
        "validate_every": ...,
        "validation_learners": ...,
    },
    "stop": {"recovery": ..., "seconds": ...},
    "certificate": {"learners": ...},
}
"""The fields that 0.1.0 knows."""
EVALUATION: dict[str, Any] = {
    "learners": ...,
    "seeds": ...,
    "seed": ...,
    "sources": ...,
    "own_embedding_size": ...,
    "trend": {"learners": ..., "layers": ..., "inner_sizes": ..., "embedding_sizes": ..., "seeds": ...},
    "protocol": ...,
    "cutoffs": ...,
    "exclude_seen": ...,
    "split": ...,
    "steps": ...,
}
SOURCES = (
    "full",
    "summary",
    "summary_untaught",
    "floor",
    "random",
    "longest",
    "coreset",
    "random_stopped",
    "longest_stopped",
    "coreset_stopped",
    "farzi",
    "farzi_small",
    "own_full",
    "own_soft",
    "popularity",
)
FORMER_NAMES = {"full_own_embedding": "own_full", "summary_own_embedding": "own_soft"}


def upgrade() -> None:
    """Change nothing."""


def downgrade() -> None:
    """Leave out of stored specs what 0.1.0 does not know."""
    for name, known in (("jobs", JOB), ("evaluations", EVALUATION)):
        table = sa.table(name, sa.column("id", sa.String), sa.column("spec", sa.JSON))
        stored = op.get_bind().execute(sa.select(table.c.id, table.c.spec)).all()
        for run, spec in stored:
            former = _only(known, spec)
            for field, value in {"learners": 1, "steps": 20}.items():  # of which it does not know null either
                if former.get("inner", {}).get(field, value) is None:
                    former["inner"][field] = value
            if "sources" in former and name == "evaluations":
                former["sources"] = _former_sources(former["sources"])
            if former != spec:
                op.get_bind().execute(sa.update(table).where(table.c.id == run).values(spec=former))


def _only(known: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spec with its known fields alone."""
    return {
        field: _only(known[field], value)
        if isinstance(known[field], dict) and isinstance(value, dict)
        else value
        for field, value in spec.items()
        if field in known
    }


def _former_sources(sources: list[str]) -> list[str]:
    """Return the former names of those that 0.1.0 knows; it takes no empty list."""
    renamed = [FORMER_NAMES.get(source, source) for source in sources]
    return [source for source in renamed if source in SOURCES] or ["summary"]
