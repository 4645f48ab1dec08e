"""Specs that ask for more than any machine can give are refused, and the largest sensible ones are not."""

from typing import Any

import pytest

from td3core.config import EvaluationSpec, JobSpec
from td3core.config.ceilings import Ceilings, excesses
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


WIDEST = {"embedding_size": 1024, "layers": 12, "heads": 16, "inner_size": 8192, "max_length": 2048}
LONGEST = {"steps": 10_000, "window": 1000, "learners": 64, "pool_size": 256}


def test_the_largest_legal_job_is_refused_with_what_it_would_cost() -> None:
    spec = JobSpec.model_validate(
        {
            "learner": WIDEST,
            "summary": {"users": 10_000, "length": 2048},
            "inner": LONGEST,
            "outer": {"steps": 100_000, "validate_every": 1, "validation_learners": 32},
        }
    )
    assert [str(found) for found in excesses(spec)][1:] == [
        "outer.steps 100000 with inner.window, inner.learners and the validations makes 38,400,320,000 steps of "
        "learners; at most 50,000,000 are allowed",
        "inner.window 1000 with inner.learners and the size of learner and summary holds 49,233,210,114,048 numbers "
        "in memory; at most 20,000,000,000 are allowed",
    ]


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"preset": "paper"},
        {"inner": {"steps": 200, "window": 40, "learners": 8}, "outer": {"steps": 5000}},
        {
            "learner": {"embedding_size": 256, "layers": 4, "inner_size": 1024, "max_length": 200},
            "summary": {"users": 500, "length": 200},
            "inner": {"steps": 400, "window": 40, "learners": 8},
        },
    ],
)
def test_large_jobs_that_a_gpu_has_room_for_are_allowed(spec: dict[str, Any]) -> None:
    assert list(excesses(JobSpec.model_validate(spec))) == []


def test_the_estimates_of_a_small_job() -> None:
    spec = JobSpec.model_validate(
        {
            "learner": {"embedding_size": 8, "inner_size": 16, "layers": 2},
            "summary": {"users": 4, "length": 10},
            "inner": {"steps": 10, "window": 5, "learners": 3, "pool_size": 4},
            "outer": {"steps": 20, "validate_every": 5, "validation_learners": 2},
        }
    )
    steps = 20 * 3 * 5 + (20 // 5 + 1) * 2 * 10
    state = 3 * 2 * (4 * 8**2 + 2 * 8 * 16)
    numbers = 3 * (5 * state + 4 * 10 * 2 * (6 * 8 + 16)) + 4 * state
    assert list(excesses(spec, Ceilings(steps=steps, numbers=numbers))) == []
    first, second = excesses(spec, Ceilings(steps=steps - 1, numbers=numbers - 1))
    assert f"makes {steps:,} steps" in str(first)
    assert f"holds {numbers:,} numbers" in str(second)


def test_long_trainings_of_an_evaluation() -> None:
    spec = EvaluationSpec.model_validate(
        {"learners": KINDS, "sources": "all", "seeds": 50, "steps": 10_000, "trend": {"seeds": 50}}
    )
    (found,) = excesses(spec)
    assert str(found).startswith(
        f"steps 10000 in {spec.trainings:,} trainings makes {10_000 * spec.trainings:,} steps"
    )
