"""Specs that ask for more than any machine can give are refused, and the largest sensible ones are not."""

from typing import Any

import pytest

from td3core.config import EvaluationSpec, JobSpec
from td3core.config.ceilings import excesses
from td3core.config.sources import SOURCES

KINDS = ["sasrec", "gru4rec", "narm", "bert4rec"]


def fault(kind: type[JobSpec | EvaluationSpec], spec: dict[str, Any]) -> str:
    (found,) = excesses(kind.model_validate(spec))
    return str(found)


@pytest.mark.parametrize(
    "spec",
    [
        {"learners": KINDS * 26},
        {"sources": ["full"] * 101},
        {"cutoffs": [10] * 101},
        {"trend": {"learners": KINDS * 26}},
        {"trend": {"layers": [1] * 101}},
        {"trend": {"inner_sizes": [8] * 101}},
        {"trend": {"embedding_sizes": [8] * 101}},
    ],
)
def test_every_list_is_bounded(spec: dict[str, Any]) -> None:
    assert "expected a list of at most 100" in fault(EvaluationSpec, spec)


def test_a_trend_of_millions_of_learners() -> None:
    many = {"layers": [1] * 100, "inner_sizes": [8] * 100, "embedding_sizes": [8] * 100, "seeds": 50}
    said = fault(EvaluationSpec, {"sources": ["full"], "trend": {"learners": KINDS, **many}})
    assert said == (
        "seeds 3 asks for 400,000,003 trainings, with its learners, sources and trend; at most 10,000 are allowed"
    )


def test_learners_times_sources_times_seeds() -> None:
    assert "asks for 100,000 trainings" in fault(
        EvaluationSpec, {"learners": ["sasrec"] * 40, "sources": ["full"] * 50, "seeds": 50}
    )


def test_everything_at_once_with_every_seed_is_allowed() -> None:
    spec = EvaluationSpec.model_validate(
        {"learners": KINDS, "sources": "all", "seeds": 50, "trend": {"seeds": 50}}
    )
    assert list(excesses(spec)) == []
    assert spec.trainings == 4 * len(SOURCES) * 50 + 2 * 4 * 2 * 50


def test_a_summary_that_no_memory_holds() -> None:
    largest = {
        "summary": {"users": 10_000, "length": 2048},
        "learner": {"embedding_size": 1024, "max_length": 2048},
    }
    assert fault(JobSpec, largest) == (
        "summary.users 10000 with summary.length = 2048 and learner.embedding_size = 1024 makes 20,971,520,000 "
        "numbers; at most 1,000,000,000 are allowed"
    )
    fitting = {"summary": {"users": 10_000, "length": 50}, "learner": {"embedding_size": 1024}}
    assert list(excesses(JobSpec.model_validate(fitting))) == []
