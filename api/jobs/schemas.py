"""Response models of jobs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from api.datasets.schemas import READING_EXAMPLE, DatasetOut
from api.limits.bounds import Usage
from api.limits.schemas import LimitUse
from api.models import Job, Priority, RunState, SummaryArchive, Webhook
from api.runs.schemas import RunOut, deleted_links, run_fields
from api.runs.standing import Standing
from api.runs.stored import Stored
from api.webhooks.schemas import WebhookWithSecret
from td3core.config import JobSpec
from td3core.results import JobMetrics

JOB_ID = "job_0199b2f0c3d47c7e9c3d7d3b8c9f1a2b"


class SummaryOut(BaseModel):
    """The archive with the summary of a job."""

    bytes: int = Field(description="Size of the archive in bytes.", examples=[184320])
    sha256: str = Field(description="SHA-256 of the archive; also its ETag.")
    href: str = Field(description="Path of the download.", examples=[f"/v1/jobs/{JOB_ID}/summary"])
    expired_at: datetime | None = Field(
        description="When the archive expired; null while it can be downloaded.", examples=[None]
    )

    @classmethod
    def of(cls, summary: SummaryArchive, *, base: str) -> "SummaryOut":
        """Build from a database row."""
        return cls(
            bytes=summary.bytes,
            sha256=summary.sha256,
            href=f"{base}/jobs/{summary.job_id}/summary",
            expired_at=summary.expired_at,
        )


class JobOut(RunOut):
    """A distillation job."""

    deadline_at: datetime | None = Field(
        description="Deadline of the job: it fails if it has not ended by then. Null: no deadline."
    )
    spec: dict[str, Any] = Field(
        description="The spec as it was stored when the job was submitted: a `JobSpec` of that version of the service, "
        "with all defaults filled in."
    )
    dataset: DatasetOut = Field(description="The log of the job.")
    summary: SummaryOut | None = Field(
        description="The archive of the summary; null until the job has succeeded."
    )
    metrics: Stored[JobMetrics] = Field(
        description="The final figures of the job, all on the validation items. Null until the job has succeeded."
    )

    @classmethod
    def of(cls, job: Job, *, base: str, standing: Standing | None = None) -> "JobOut":
        """Build from a database row."""
        here = f"{base}/jobs/{job.id}"
        links = {"self": here, "events": f"{here}/events", "evaluations": f"{here}/evaluations"}
        if not job.state.ended:
            links["cancel"] = f"{here}/cancel"
        if job.state in (RunState.QUEUED, RunState.RUNNING):
            links["pause"] = f"{here}/pause"
        if job.state in (RunState.PAUSING, RunState.PAUSED):
            links["resume"] = f"{here}/resume"
        if job.summary and not job.summary.expired_at:
            links["summary"] = f"{here}/summary"
        if job.deleted_at is not None:
            links = deleted_links(job, base=base)
        metrics: Any = job.metrics
        return cls(
            **run_fields(job, standing),
            deadline_at=job.deadline_at,
            spec=job.spec,
            dataset=DatasetOut.of(job.dataset),
            summary=SummaryOut.of(job.summary, base=base) if job.summary else None,
            metrics=metrics,
            links=links,
        )


class SubmittedJob(JobOut):
    """The response to a submission: a new job, or an identical one that exists already."""

    deduplicated: bool = Field(
        description="Whether this job existed before and is identical: same log, same spec including the seed, same "
        "version of the service."
    )
    webhook: WebhookWithSecret | None = Field(
        description="The webhook that was submitted with it; null if there was none."
    )
    nearly_reached: list[LimitUse] = Field(
        description="Limits of the project of which at least 80 % are used with this job.", examples=[[]]
    )

    @classmethod
    def answer(
        cls,
        job: Job,
        *,
        base: str,
        deduplicated: bool,
        webhook: Webhook | None = None,
        usages: Sequence[Usage] = (),
    ) -> "SubmittedJob":
        """Build from database rows."""
        return cls(
            **dict(JobOut.of(job, base=base)),
            deduplicated=deduplicated,
            webhook=None if webhook is None else WebhookWithSecret.of(webhook, base=base),
            nearly_reached=[LimitUse.of(usage) for usage in usages if usage.nearly_reached],
        )


_DATASET = {
    "id": "ds_0199b2f0c3d27d0d8a52e3bdb4d1c0f1",
    "name": "ratings.csv",
    "bytes": 1979173,
    "sha256": "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
    "profile": {"users": 943, "items": 1349, "interactions": 99287},
    "reading": READING_EXAMPLE,
}
VALIDATED_EXAMPLE = {name: value for name, value in _DATASET.items() if name != "id"}

QUEUED_EXAMPLE: dict[str, Any] = {
    "id": JOB_ID,
    "name": None,
    "labels": {},
    "pinned": False,
    "state": RunState.QUEUED,
    "priority": Priority.NORMAL,
    "queue": None,
    "stage": None,
    "progress": 0.0,
    "step": 0,
    "steps": 0,
    "losses": None,
    "scores": None,
    "eta_seconds": None,
    "attempt": 0,
    "error": None,
    "created_at": "2026-01-15T09:30:00Z",
    "created_by": None,
    "started_at": None,
    "finished_at": None,
    "deleted_at": None,
    "links": {
        "self": f"/v1/jobs/{JOB_ID}",
        "events": f"/v1/jobs/{JOB_ID}/events",
        "evaluations": f"/v1/jobs/{JOB_ID}/evaluations",
        "cancel": f"/v1/jobs/{JOB_ID}/cancel",
        "pause": f"/v1/jobs/{JOB_ID}/pause",
    },
    "deadline_at": None,
    "spec": JobSpec.model_validate({"summary": {"users": 30}}).model_dump(mode="json"),
    "dataset": _DATASET,
    "summary": None,
    "metrics": None,
}

RUNNING_EXAMPLE = QUEUED_EXAMPLE | {
    "state": RunState.RUNNING,
    "stage": "distilling",
    "progress": 0.62,
    "step": 186,
    "steps": 300,
    "losses": {"outer": 6.31},
    "scores": {"ndcg@10": 0.102},
    "eta_seconds": 94.0,
    "attempt": 1,
    "started_at": "2026-01-15T09:30:01Z",
}

CANCELLING_EXAMPLE = RUNNING_EXAMPLE | {"state": RunState.CANCELLING}
DELETED_EXAMPLE = {
    "id": JOB_ID,
    "deleted_at": "2026-01-20T08:00:00Z",
    "restorable_until": "2026-01-27T08:00:00Z",
    "frees_bytes": 2163493,
    "links": {"restore": f"/v1/jobs/{JOB_ID}/restore"},
}
PAUSING_EXAMPLE = RUNNING_EXAMPLE | {"state": RunState.PAUSING}
SUBMITTED_EXAMPLE = QUEUED_EXAMPLE | {"deduplicated": False, "webhook": None, "nearly_reached": []}
DEDUPLICATED_EXAMPLE = RUNNING_EXAMPLE | {"deduplicated": True, "webhook": None, "nearly_reached": []}
