"""What a client sees of an evaluation."""

from typing import Any

from pydantic import ConfigDict, Field

from api.jobs.schemas import JOB_ID
from api.models import Evaluation, Priority, RunState
from api.runs.schemas import RunOut, deleted_links, run_fields
from api.runs.standing import Standing
from api.runs.stored import Stored
from td3core.config import EvaluationSpec
from td3core.results import (
    Comparison,
    EvaluationResult,
    IntervalsOver,
    Recovery,
    Size,
    Spread,
    Timing,
    TrainingWarning,
    Trend,
    Worth,
    current_format,
)

EVALUATION_ID = "eval_0199b2fb7a5e7f30b7c8a9f2d4e6c801"


RESULT_FIELDS = tuple(name for name in EvaluationResult.model_fields if name != "format")


def _part(name: str) -> Any:
    """Describe a field as the result does."""
    return Field(description=EvaluationResult.model_fields[name].description)


class EvaluationOut(RunOut):
    """Learners trained on the summary, beside the same learners trained on other sources.

    All fields of the result are null until the evaluation has succeeded. Fields that a later version of the service
    stored are included as they are.
    """

    model_config = ConfigDict(extra="allow")

    job_id: str = Field(description="Id of the job whose summary is evaluated.")
    spec: dict[str, Any] = Field(
        description="What was asked for, as it was stored: an `EvaluationSpec` with every default filled in, of the "
        "version that took the evaluation."
    )
    results: Stored[dict[str, dict[str, dict[str, Spread]]]] = _part("results")
    recovery: Stored[dict[str, dict[str, Recovery]]] = _part("recovery")
    own_recovery: Stored[dict[str, dict[str, Recovery]]] = _part("own_recovery")
    comparison: Stored[dict[str, dict[str, dict[str, Comparison]]]] = _part("comparison")
    worth: Stored[dict[str, dict[str, Worth]]] = _part("worth")
    diverged: Stored[dict[str, tuple[str, ...]]] = _part("diverged")
    unavailable: Stored[tuple[str, ...]] = _part("unavailable")
    warnings: Stored[tuple[TrainingWarning, ...]] = _part("warnings")
    seconds: Stored[dict[str, dict[str, float]]] = _part("seconds")
    timing: Stored[dict[str, Timing]] = _part("timing")
    trend: Stored[Trend] = _part("trend")
    size: Stored[Size] = _part("size")
    seeds: Stored[tuple[int, ...]] = _part("seeds")
    intervals: Stored[IntervalsOver] = _part("intervals")
    split: Stored[str] = _part("split")
    protocol: Stored[str] = _part("protocol")
    exclude_seen: Stored[bool] = _part("exclude_seen")

    @classmethod
    def of(cls, evaluation: Evaluation, *, base: str, standing: Standing | None = None) -> "EvaluationOut":
        """Shape a row."""
        here = f"{base}/evaluations/{evaluation.id}"
        links = {"self": here, "events": f"{here}/events", "job": f"{base}/jobs/{evaluation.job_id}"}
        if not evaluation.state.ended:
            links["cancel"] = f"{here}/cancel"
        if evaluation.deleted_at is not None:
            links = deleted_links(evaluation, base=base)
        result = {} if evaluation.result is None else current_format(evaluation.result)
        return cls(
            **run_fields(evaluation, standing),
            job_id=evaluation.job_id,
            spec=evaluation.spec,
            links=links,
            **{name: result.get(name) for name in RESULT_FIELDS},
            **{name: value for name, value in result.items() if name not in {*cls.model_fields, "format"}},
        )


def _spread(mean: float, std: float) -> dict[str, Any]:
    """Return three seeds, one standard deviation apart."""
    half = 4.303 * std / 3**0.5
    figures = {"mean": mean, "std": std, "low": mean - half, "high": mean + half}
    return {name: round(value, 4) for name, value in figures.items()} | {
        "values": [round(mean + step * std, 4) for step in (-1, 0, 1)]
    }


SUCCEEDED_EXAMPLE: dict[str, Any] = {
    "id": EVALUATION_ID,
    "name": None,
    "labels": {},
    "pinned": False,
    "job_id": JOB_ID,
    "state": RunState.SUCCEEDED,
    "priority": Priority.NORMAL,
    "queue": None,
    "stage": "evaluating",
    "progress": 1.0,
    "step": 12,
    "steps": 12,
    "losses": {},
    "scores": {"coreset ndcg@10": 0.08},
    "eta_seconds": 0.0,
    "attempt": 1,
    "error": None,
    "created_at": "2026-01-15T09:40:00Z",
    "created_by": None,
    "started_at": "2026-01-15T09:40:00Z",
    "finished_at": "2026-01-15T09:41:12Z",
    "deleted_at": None,
    "links": {
        "self": f"/v1/evaluations/{EVALUATION_ID}",
        "events": f"/v1/evaluations/{EVALUATION_ID}/events",
        "job": f"/v1/jobs/{JOB_ID}",
    },
    "spec": EvaluationSpec.model_validate(
        {"cutoffs": [10], "sources": ["full", "summary", "floor", "coreset"]}
    ).model_dump(mode="json"),
    "results": {
        "sasrec": {
            "full": {"ndcg@10": _spread(0.11, 0.002)},
            "summary": {"ndcg@10": _spread(0.104, 0.001)},
            "floor": {"ndcg@10": _spread(0.061, 0.001)},
            "coreset": {"ndcg@10": _spread(0.08, 0.001)},
        }
    },
    "recovery": {
        "sasrec": {
            "ndcg@10": {
                "recovery": 0.945,
                "low": 0.901,
                "high": 0.992,
                "lift_recovery": 0.878,
                "lift_low": 0.802,
                "lift_high": 0.961,
                "teacher_recovery": None,
                "teacher_low": None,
                "teacher_high": None,
            }
        }
    },
    "own_recovery": {"sasrec": {}},
    "comparison": {
        "sasrec": {
            "coreset": {"ndcg@10": {"difference": 0.024, "low": 0.016, "high": 0.032, "disjoint": True}}
        }
    },
    "worth": {},
    "diverged": {"sasrec": []},
    "unavailable": [],
    "warnings": [],
    "seconds": {"sasrec": {"full": 55.1, "summary": 3.2, "floor": 0.0, "coreset": 3.1}},
    "timing": {
        "sasrec": {
            "summary_seconds": _spread(3.2, 0.1),
            "full_seconds": _spread(55.1, 0.9),
            "log_seconds": _spread(38.0, 2.0),
            "reached": 3,
            "speedup": 11.9,
            "distil_seconds": 240.0,
            "break_even": 6.9,
        }
    },
    "trend": None,
    "size": {
        "summary_bytes": 103000,
        "summary_parameters": 36288,
        "item_parameters": 43168,
        "teacher_parameters": 10240,
        "log_bytes": 1979173,
        "log_parquet_bytes": 141000,
        "log_interactions": 99287,
    },
    "seeds": [0, 1, 2],
    "intervals": "seeds and users",
    "split": "test",
    "protocol": "full",
    "exclude_seen": True,
}

QUEUED_EXAMPLE = SUCCEEDED_EXAMPLE | {
    "state": RunState.QUEUED,
    "stage": None,
    "progress": 0.0,
    "step": 0,
    "steps": 0,
    "losses": None,
    "scores": None,
    "eta_seconds": None,
    "attempt": 0,
    "started_at": None,
    "finished_at": None,
    "links": SUCCEEDED_EXAMPLE["links"] | {"cancel": f"/v1/evaluations/{EVALUATION_ID}/cancel"},
    "results": None,
    "recovery": None,
    "own_recovery": None,
    "comparison": None,
    "worth": None,
    "diverged": None,
    "unavailable": None,
    "warnings": None,
    "seconds": None,
    "timing": None,
    "size": None,
    "seeds": None,
    "intervals": None,
    "split": None,
    "protocol": None,
    "exclude_seen": None,
}

DELETED_EXAMPLE = {
    "id": EVALUATION_ID,
    "deleted_at": "2026-01-20T08:00:00Z",
    "restorable_until": "2026-01-27T08:00:00Z",
    "frees_bytes": 0,
    "links": {"restore": f"/v1/evaluations/{EVALUATION_ID}/restore"},
}

CANCELLING_EXAMPLE = QUEUED_EXAMPLE | {
    "state": RunState.CANCELLING,
    "stage": "evaluating",
    "progress": 0.3,
    "losses": {},
    "scores": {"full ndcg@10": 0.11},
    "attempt": 1,
    "started_at": "2026-01-15T09:40:00Z",
}
