"""HTTP routes that keep jobs in order: their names, labels and pins."""

from typing import Annotated

from fastapi import APIRouter, Depends

from api.errors import InvalidRequestError, JobNotFoundError, TooLargeError, UnsupportedBodyError
from api.http.auth import Tenant
from api.http.body import fields_of
from api.http.context import Service
from api.http.openapi import answer, json_body
from api.http.problems import documented
from api.http.version import Base
from api.jobs import service
from api.jobs.schemas import RUNNING_EXAMPLE, JobOut
from api.runs.annotations import RunChange

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
