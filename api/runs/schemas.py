"""What a client sees of anything that runs."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.models import Run, RunState


class RunError(BaseModel):
    """Why it failed."""

    model_config = ConfigDict(extra="allow")

    code: str = Field(examples=["bad_rows"])
    detail: str
    errors: list[dict[str, Any]] | None = Field(
        default=None, description="For a bad log: `line`, `column`, `value`, `reason` of the first faults."
    )


class RunOut(BaseModel):
    """State and progress, the same for jobs and evaluations."""

    id: str
    state: RunState
    stage: str | None = Field(
        description="`reading`, `teacher`, `distilling`, `packing` or `evaluating`; null before the first.",
        examples=["distilling"],
    )
    progress: float = Field(description="Of the whole run, 0 to 1.", examples=[0.62])
    step: int = Field(description="Steps done in this stage.", examples=[186])
    steps: int = Field(description="Steps this stage has.", examples=[300])
    losses: dict[str, float] | None = Field(description="The latest, by name.", examples=[{"outer": 6.31}])
    eta_seconds: float | None = Field(description="Estimated time left.", examples=[94.0])
    attempt: int = Field(description="How often a worker has begun it.", examples=[1])
    error: RunError | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    links: dict[str, str] = Field(description="Where to go from here.")


def run_fields(run: Run) -> dict[str, Any]:
    """The fields of `RunOut` that are columns."""
    return {name: getattr(run, name) for name in RunOut.model_fields if name != "links"}
