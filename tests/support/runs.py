"""Runs in any state, written for tests of lists and of retention."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from api.db import now
from api.ids import new_id
from api.models import DEFAULT_TENANT, Dataset, Evaluation, Job, RunState
from api.runs.annotations import annotate


def add_run(
    session: Session,
    *,
    labels: dict[str, str] | None = None,
    name: str | None = None,
    log: str = "log.csv",
    sha256: str = "0" * 64,
    created_at: datetime | None = None,
    tenant_id: str = DEFAULT_TENANT,
    **columns: Any,
) -> Job:
    """Write a job with these columns, on a log of its own."""
    at = created_at or now(session)
    dataset = Dataset(
        id=new_id("ds"),
        tenant_id=tenant_id,
        created_at=at,
        name=log,
        bytes=3,
        sha256=sha256,
        storage_key=f"logs/{sha256}",
    )
    job = Job(id=new_id("job"), tenant_id=tenant_id, created_at=at, dataset=dataset, spec={}, **columns)
    session.add(job)
    annotate(session, job, name=name, labels=labels or {})
    return job


def add_evaluation(
    session: Session, job: Job, *, labels: dict[str, str] | None = None, **columns: Any
) -> Evaluation:
    """Write an evaluation of the job."""
    columns.setdefault("state", RunState.SUCCEEDED)
    evaluation = Evaluation(
        id=new_id("eval"), tenant_id=job.tenant_id, created_at=now(session), job_id=job.id, spec={}, **columns
    )
    session.add(evaluation)
    annotate(session, evaluation, name=None, labels=labels or {})
    return evaluation
