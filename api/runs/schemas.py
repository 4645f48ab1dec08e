"""Response models that all kinds of runs share."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.models import Run, RunState


class RunError(BaseModel):
    """Why a run failed."""

    model_config = ConfigDict(extra="allow")

    code: str = Field(description="Kind of error, for programs.", examples=["bad_rows"])
    detail: str = Field(description="What went wrong.")
    errors: list[dict[str, Any]] | None = Field(
        default=None,
        description="First problems of an invalid log: `line` and `column`, or the `field` of the spec that matters "
        "(`dataset`: the log as a whole), `value` and `reason`.",
    )


class RunOut(BaseModel):
    """State and progress of a run."""

    id: str = Field(description="Id of the run.")
    name: str | None = Field(description="Name of the run, for people; null if it has none.", examples=[None])
    labels: dict[str, str] = Field(
        description="Labels of the run, by key.", examples=[{"team": "ranking", "draft": ""}]
    )
    pinned: bool = Field(description="Whether retention keeps what the run uses and what it made.")
    state: RunState = Field(description="State of the run.")
    stage: str | None = Field(
        description="Current stage: `reading`, `teacher`, `distilling`, `packing` or `evaluating`. Null if no "
        "worker has started the run.",
        examples=["distilling"],
    )
    progress: float = Field(description="Progress of the whole run, from 0 to 1.", examples=[0.62])
    step: int = Field(description="Number of completed steps of the current stage.", examples=[186])
    steps: int = Field(description="Total number of steps of the current stage.", examples=[300])
    losses: dict[str, float] | None = Field(
        description="Latest training losses, by name.", examples=[{"outer": 6.31}]
    )
    scores: dict[str, float] | None = Field(
        description="Latest ranking metrics, by name: of a job on the validation items, of an evaluation those of the "
        "last completed training.",
        examples=[{"ndcg@10": 0.102}],
    )
    eta_seconds: float | None = Field(description="Estimated remaining time in seconds.", examples=[94.0])
    attempt: int = Field(
        description="Number of times that a worker has started or continued the run.", examples=[1]
    )
    error: RunError | None = Field(description="Why the run failed; null unless it did.")
    created_at: datetime = Field(description="When the run was submitted.")
    created_by: str | None = Field(
        description="Id of the API key or the user that submitted the run; null without access control.",
        examples=[None],
    )
    started_at: datetime | None = Field(description="When a worker first started the run.")
    finished_at: datetime | None = Field(description="When the run ended.")
    links: dict[str, str] = Field(description="Paths of related resources and possible operations, by name.")


def run_fields(run: Run) -> dict[str, Any]:
    """The fields of `RunOut` that are database columns."""
    return {name: getattr(run, name) for name in RunOut.model_fields if name != "links"}
