"""Response models that all kinds of runs share."""

from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.models import Priority, Run, RunState
from api.runs.standing import Reason, Standing


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


class QueueOut(BaseModel):
    """Where a run stands in the queue."""

    position: int = Field(
        description="1 for the run that begins next. What is submitted later may change it.", examples=[3]
    )
    reason: Reason = Field(
        description="Why the run waits: `no_worker` (no worker is alive), `starting` (a worker is free for it), "
        "`behind_priority` (runs of a higher class go first), `project_share` (so do runs of projects that have used "
        "less of the workers), or `workers_busy`."
    )
    expected_start: datetime | None = Field(
        description="When it will probably begin, judging by how long runs took lately; null if that is unknown."
    )

    @classmethod
    def of(cls, standing: Standing) -> "QueueOut":
        """Build from what is known of the run."""
        return cls(position=standing.position, reason=standing.reason, expected_start=standing.expected_start)


class RunOut(BaseModel):
    """State and progress of a run."""

    id: str = Field(description="Id of the run.")
    name: str | None = Field(description="Name of the run, for people; null if it has none.", examples=[None])
    labels: dict[str, str] = Field(
        description="Labels of the run, by key.", examples=[{"team": "ranking", "draft": ""}]
    )
    pinned: bool = Field(description="Whether retention keeps what the run uses and what it made.")
    state: RunState = Field(description="State of the run.")
    priority: Priority = Field(description="Class of the run.", examples=["normal"])
    stage: str | None = Field(
        description="Current stage: `reading`, `teacher`, `distilling`, `packing` or `evaluating`. Null if no "
        "worker has started the run.",
        examples=["distilling"],
    )
    queue: QueueOut | None = Field(
        description="Where the run stands in the queue. Null unless it is queued, and in answers to requests that "
        "change something.",
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
    deleted_at: datetime | None = Field(
        description="When the run was deleted; null unless it is listed among the deleted ones."
    )
    links: dict[str, str] = Field(description="Paths of related resources and possible operations, by name.")


class DeletedRun(BaseModel):
    """A run that is deleted and can be restored for a time."""

    id: str = Field(description="Id of the run.")
    deleted_at: datetime = Field(description="When it was deleted.")
    restorable_until: datetime = Field(description="Until when it can be restored; then it is removed.")
    frees_bytes: int = Field(
        description="Bytes in storage that are freed then. A log counts with the last of the jobs that share it.",
        examples=[2163493],
    )
    links: dict[str, str] = Field(description="Paths of possible operations, by name.")

    @classmethod
    def of(cls, run: Run, *, base: str, frees_bytes: int, restore_days: float) -> "DeletedRun":
        """Build from a row that is deleted."""
        if run.deleted_at is None:
            raise ValueError(f"{run.id} is not deleted")
        return cls(
            id=run.id,
            deleted_at=run.deleted_at,
            restorable_until=run.deleted_at + timedelta(days=restore_days),
            frees_bytes=frees_bytes,
            links=deleted_links(run, base=base),
        )


def deleted_links(run: Run, *, base: str) -> dict[str, str]:
    """What can be done with a run that is deleted."""
    return {"restore": f"{base}/{run.kind}s/{run.id}/restore"}


def run_fields(run: Run, standing: Standing | None) -> dict[str, Any]:
    """The fields of `RunOut` that are database columns, and `queue`."""
    columns = RunOut.model_fields.keys() - {"links", "queue"}
    return {name: getattr(run, name) for name in columns} | {
        "queue": None if standing is None else QueueOut.of(standing)
    }
