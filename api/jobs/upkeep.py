"""HTTP routes that keep jobs in order: their names, labels and pins, and deleting what has ended, one or many."""

from typing import Annotated

from fastapi import APIRouter, Depends

from api.errors import (
    CountChangedError,
    InvalidRequestError,
    JobNotFoundError,
    NotEndedError,
    PinnedError,
    TooLargeError,
    UnsupportedBodyError,
)
from api.http.auth import Tenant
from api.http.body import fields_of
from api.http.context import Service
from api.http.openapi import answer, json_body
from api.http.problems import documented
from api.http.version import Base
from api.jobs import service
from api.jobs.schemas import DELETED_EXAMPLE, RUNNING_EXAMPLE, JobOut
from api.runs.annotations import RunChange
from api.runs.bulk import Bulk, BulkOut
from api.runs.schemas import DeletedRun

router = APIRouter(prefix="/jobs", tags=["jobs"])


@router.patch(
    "/{job_id}",
    summary="Change a job",
    responses={
        200: answer("The job, as it is then.", RUNNING_EXAMPLE),
        **documented(JobNotFoundError, TooLargeError, UnsupportedBodyError, InvalidRequestError),
    },
    openapi_extra=json_body(RunChange, {"name": "Nightly", "labels": {"team": "ranking", "draft": None}}),
)
def change_job(
    job_id: str,
    change: Annotated[RunChange, Depends(fields_of(RunChange))],
    context: Service,
    tenant: Tenant,
    base: Base,
) -> JobOut:
    """Change name, labels and pin of a job, whatever its state. What is left out stays."""
    with context.database.transaction() as session:
        return JobOut.of(service.change(session, job_id, change, tenant_id=tenant), base=base)


@router.delete(
    "/{job_id}",
    summary="Delete a job",
    responses={
        200: answer("The job is deleted, and can be restored for a time.", DELETED_EXAMPLE),
        **documented(JobNotFoundError, NotEndedError, PinnedError),
    },
)
def delete_job(job_id: str, context: Service, tenant: Tenant, base: Base) -> DeletedRun:
    """Delete a job that has ended, with its evaluations. It is hidden at once; no submission is answered with it.

    When it can no longer be restored, it is removed with its events, its webhooks, its summary and, unless another job
    shares it, its log. Repeating the request changes nothing.
    """
    with context.database.transaction() as session:
        job, freed = service.remove(session, job_id, tenant_id=tenant)
        return DeletedRun.of(job, base=base, frees_bytes=freed, restore_days=context.settings.restore_days)


@router.post(
    "/{job_id}/restore",
    summary="Restore a job",
    responses={200: answer("The job.", RUNNING_EXAMPLE), **documented(JobNotFoundError)},
)
def restore_job(job_id: str, context: Service, tenant: Tenant, base: Base) -> JobOut:
    """Restore a deleted job, with the evaluations that were deleted with it. One that is not deleted is not changed."""
    with context.database.transaction() as session:
        return JobOut.of(service.restore(session, job_id, tenant_id=tenant), base=base)


_ASKED = {"filter": {"state": ["queued"], "label": ["team:ranking"]}}
_ENDED = {"filter": {"state": ["failed"], "finished_until": "2026-01-01T00:00:00Z"}}
_COUNTED = {"count": 12, "done": False, "most": 200, "frees_bytes": None}
_BULK = documented(CountChangedError, TooLargeError, UnsupportedBodyError, InvalidRequestError)
_WANTED = Depends(fields_of(Bulk))


@router.post(
    "/cancel",
    summary="Cancel many jobs",
    responses={200: answer("How many there are, and whether they were cancelled.", _COUNTED), **_BULK},
    openapi_extra=json_body(Bulk, _ASKED),
)
def cancel_jobs(asked: Annotated[Bulk, _WANTED], context: Service, tenant: Tenant) -> BulkOut:
    """Cancel the jobs that a filter finds and that have not ended: all of them, or none.

    Without `expected`, the answer says how many there are, and nothing is done.
    """
    with context.database.transaction() as session:
        return service.cancel_all(session, asked, tenant_id=tenant)


@router.post(
    "/delete",
    summary="Delete many jobs",
    responses={200: answer("How many there are, and whether they were deleted.", _COUNTED), **_BULK},
    openapi_extra=json_body(Bulk, _ENDED),
)
def delete_jobs(asked: Annotated[Bulk, _WANTED], context: Service, tenant: Tenant) -> BulkOut:
    """Delete the jobs that a filter finds and that can be deleted: all of them, or none. Each can be restored.

    What has not ended or is pinned, or has an evaluation of which that is true, does not count. Without `expected`, the
    answer says how many there are, and nothing is done.
    """
    with context.database.transaction() as session:
        return service.remove_all(session, asked, tenant_id=tenant)
