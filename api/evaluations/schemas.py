"""What a client sees of an evaluation."""

from typing import Any

from pydantic import Field

from api.jobs.schemas import JOB_ID
from api.models import Evaluation, RunState
from api.runs.schemas import RunOut, run_fields
from td3core.config import EvaluationSpec

EVALUATION_ID = "eval_0199b2fb7a5e7f30b7c8a9f2d4e6c801"


class EvaluationOut(RunOut):
    """Learners trained on the summary, beside the same learners trained on other sources."""

    job_id: str
    spec: EvaluationSpec = Field(description="As it runs, with every default filled in.")
    results: dict[str, Any] | None = Field(
        description="Learner -> source -> metric -> `mean`, `std`, `values` (one a seed)."
    )
    recovery: dict[str, Any] | None = Field(
        description="Learner -> metric -> `recovery` (summary / full) and `lift_recovery` "
        "((summary - floor) / (full - floor))."
    )
    seconds: dict[str, Any] | None = Field(description="Learner -> source -> seconds of training.")
    seeds: list[int] | None = Field(description="The seeds it used.")

    @classmethod
    def of(cls, evaluation: Evaluation) -> "EvaluationOut":
        """Shape a row."""
        here = f"/evaluations/{evaluation.id}"
        links = {"self": here, "job": f"/jobs/{evaluation.job_id}"}
        if not evaluation.state.ended:
            links["cancel"] = f"{here}/cancel"
        result = evaluation.result or {}
        return cls(
            **run_fields(evaluation),
            job_id=evaluation.job_id,
            spec=EvaluationSpec.model_validate(evaluation.spec),
            results=result.get("results"),
            recovery=result.get("recovery"),
            seconds=result.get("seconds"),
            seeds=result.get("seeds"),
            links=links,
        )


SUCCEEDED_EXAMPLE: dict[str, Any] = {
    "id": EVALUATION_ID,
    "job_id": JOB_ID,
    "state": RunState.SUCCEEDED,
    "stage": "evaluating",
    "progress": 1.0,
    "step": 6,
    "steps": 6,
    "losses": None,
    "eta_seconds": 0.0,
    "attempt": 1,
    "error": None,
    "created_at": "2026-01-15T09:40:00Z",
    "started_at": "2026-01-15T09:40:00Z",
    "finished_at": "2026-01-15T09:41:12Z",
    "links": {"self": f"/evaluations/{EVALUATION_ID}", "job": f"/jobs/{JOB_ID}"},
    "spec": EvaluationSpec.model_validate(
        {"cutoffs": [10], "sources": ["full", "summary", "floor"]}
    ).model_dump(mode="json"),
    "results": {
        "sasrec": {
            "full": {"ndcg@10": {"mean": 0.11, "std": 0.002, "values": [0.108, 0.11, 0.112]}},
            "summary": {"ndcg@10": {"mean": 0.104, "std": 0.001, "values": [0.103, 0.104, 0.105]}},
            "floor": {"ndcg@10": {"mean": 0.061, "std": 0.001, "values": [0.06, 0.061, 0.062]}},
        }
    },
    "recovery": {"sasrec": {"ndcg@10": {"recovery": 0.945, "lift_recovery": 0.878}}},
    "seconds": {"sasrec": {"full": 55.1, "summary": 3.2, "floor": 0.0}},
    "seeds": [0, 1, 2],
}

QUEUED_EXAMPLE = SUCCEEDED_EXAMPLE | {
    "state": RunState.QUEUED,
    "stage": None,
    "progress": 0.0,
    "step": 0,
    "steps": 0,
    "eta_seconds": None,
    "attempt": 0,
    "started_at": None,
    "finished_at": None,
    "links": SUCCEEDED_EXAMPLE["links"] | {"cancel": f"/evaluations/{EVALUATION_ID}/cancel"},
    "results": None,
    "recovery": None,
    "seconds": None,
    "seeds": None,
}

CANCELLING_EXAMPLE = QUEUED_EXAMPLE | {
    "state": RunState.CANCELLING,
    "stage": "evaluating",
    "progress": 0.3,
    "attempt": 1,
    "started_at": "2026-01-15T09:40:00Z",
}
