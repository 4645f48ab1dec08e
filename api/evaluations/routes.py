"""HTTP routes of evaluations."""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session

from api.errors import (
    AlreadyFinishedError,
    EvaluationNotFoundError,
    ExpiredError,
    InvalidCursorError,
    InvalidRequestError,
    InvalidSpecError,
    JobDeletedError,
    JobNotFinishedError,
    JobNotFoundError,
    JobWithoutSummaryError,
    KeyInUseError,
    KeyReusedError,
    NotEndedError,
    PinnedError,
    QueuedRunsLimitError,
    TooLargeError,
    UnsupportedBodyError,
)
from api.evaluations import service
from api.evaluations.schemas import (
    CANCELLING_EXAMPLE,
    DELETED_EXAMPLE,
    QUEUED_EXAMPLE,
    SUCCEEDED_EXAMPLE,
    EvaluationOut,
)
from api.http.auth import Tenant
from api.http.body import fields_of, read_json
from api.http.context import Context, Service
from api.http.finding import Deleted, Noted, Order, Wanted
from api.http.openapi import answer, json_body
from api.http.pagination import Cursor, Limit, Page
from api.http.priority import Class, beyond_default
from api.http.problems import documented
from api.http.spec import MAX_SPEC_BYTES, as_sent, parse_spec
from api.http.version import Base
from api.idempotency.guard import Key, guarded, respond
from api.idempotency.keys import Answer, digest
from api.limits import service as limits
from api.limits.admission import project_bounds
from api.limits.bounds import rate_limit_fields
from api.models import Evaluation, Priority
from api.pages import RowPage
from api.runs.annotations import RunChange
from api.runs.filters import Sort
from api.runs.schemas import DeletedRun
from api.runs.standing import standings
from td3core.config import EvaluationSpec

log = structlog.get_logger(__name__)
router = APIRouter(tags=["evaluations"])

PAGE = answer("A page of evaluations.", {"items": [SUCCEEDED_EXAMPLE], "next_cursor": None})
SPEC_BODY: dict[str, Any] = {
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/EvaluationSpec"},
                "examples": {
                    "defaults": {"summary": "The default spec", "value": {}},
                    "five seeds": {
                        "summary": "More seeds, one cut-off",
                        "value": {"seeds": 5, "cutoffs": [10]},
                    },
                },
            }
        }
    }
}


@router.post(
    "/jobs/{job_id}/evaluations",
    status_code=202,
    response_model=EvaluationOut,
    summary="Evaluate a summary",
    responses={
        202: answer("The evaluation is queued; its URL is in `Location`.", QUEUED_EXAMPLE),
        **documented(
            JobNotFoundError,
            JobNotFinishedError,
            JobWithoutSummaryError,
            KeyInUseError,
            ExpiredError,
            TooLargeError,
            UnsupportedBodyError,
            InvalidRequestError,
            InvalidSpecError,
            KeyReusedError,
            QueuedRunsLimitError,
        ),
    },
    openapi_extra=SPEC_BODY,
)
async def create_evaluation(
    job_id: str,
    request: Request,
    context: Service,
    tenant: Tenant,
    base: Base,
    notes: Noted,
    priority: Class = Priority.NORMAL,
    key: Key = None,
) -> Response:
    """Queue an evaluation, which trains fresh learners on the summary, on the full log and on baselines.

    It measures how much of the full log's quality the summary keeps.
    """
    sent = await read_json(request, max_bytes=MAX_SPEC_BYTES) or None
    settings = context.settings
    bounds = await run_in_threadpool(project_bounds, context.database, tenant, settings.bounds)
    spec = parse_spec(EvaluationSpec, sent, bounds.ceilings(settings.ceilings))
    asked = digest(job_id, as_sent(spec), *notes.sent, *beyond_default(priority))

    def accept() -> Response:
        with context.database.transaction() as session:
            usages = limits.reserve(session, tenant_id=tenant, defaults=settings.bounds)
            submitted = service.submit(
                session,
                job_id,
                spec,
                tenant_id=tenant,
                priority=priority,
                name=notes.name,
                labels=notes.labels,
            )
            evaluation = EvaluationOut.of(submitted, base=base)
            given = Answer(202, evaluation.links["self"], evaluation.model_dump(mode="json"))
            guard.keep(session, given, request=asked)
        log.info("evaluation.accepted", run=evaluation.id)
        context.outbox.deliver([evaluation.id])
        return respond(given, **rate_limit_fields(usages))

    route = "POST /jobs/{job_id}/evaluations"
    async with guarded(context, tenant_id=tenant, route=route, key=key) as guard:
        return guard.replay(asked) or await run_in_threadpool(accept)


def _listed(session: Session, page: RowPage[Evaluation], context: Context, base: str) -> Page[EvaluationOut]:
    """The page, with the places of those that wait."""
    stand = standings(session, page.rows, silent_after=context.settings.silent_after)
    return Page.of(
        page, lambda evaluation: EvaluationOut.of(evaluation, base=base, standing=stand.get(evaluation.id))
    )


@router.get(
    "/jobs/{job_id}/evaluations",
    summary="List the evaluations of a job",
    responses={
        200: PAGE,
        **documented(JobNotFoundError, InvalidCursorError, InvalidRequestError),
    },
)
def list_evaluations_of_job(
    job_id: str,
    context: Service,
    tenant: Tenant,
    base: Base,
    wanted: Wanted,
    sort: Order = Sort.LATEST_CREATED,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EvaluationOut]:
    """List the evaluations of a job, newest first: all of them, or those to which every filter applies."""
    with context.database.reading() as session:
        page = service.page(
            session, wanted, sort, tenant_id=tenant, job_id=job_id, limit=limit, cursor=cursor
        )
        return _listed(session, page, context, base)


@router.get(
    "/evaluations",
    summary="List evaluations",
    responses={200: PAGE, **documented(InvalidCursorError, InvalidRequestError)},
)
def list_evaluations(
    context: Service,
    tenant: Tenant,
    base: Base,
    wanted: Wanted,
    sort: Order = Sort.LATEST_CREATED,
    deleted: Deleted = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EvaluationOut]:
    """List the evaluations of all jobs, newest first, with the filters of the list of jobs."""
    with context.database.reading() as session:
        page = service.page(
            session, wanted, sort, tenant_id=tenant, deleted=deleted, limit=limit, cursor=cursor
        )
        return _listed(session, page, context, base)


@router.get(
    "/evaluations/{evaluation_id}",
    summary="Get an evaluation",
    responses={200: answer("The evaluation.", SUCCEEDED_EXAMPLE), **documented(EvaluationNotFoundError)},
)
def get_evaluation(evaluation_id: str, context: Service, tenant: Tenant, base: Base) -> EvaluationOut:
    """Get the state and progress of an evaluation, and its results when it has succeeded."""
    with context.database.reading() as session:
        evaluation = service.get(session, evaluation_id, tenant_id=tenant)
        stand = standings(session, [evaluation], silent_after=context.settings.silent_after)
        return EvaluationOut.of(evaluation, base=base, standing=stand.get(evaluation.id))


@router.patch(
    "/evaluations/{evaluation_id}",
    summary="Change an evaluation",
    responses={
        200: answer("The evaluation, as it is then.", SUCCEEDED_EXAMPLE),
        **documented(EvaluationNotFoundError, TooLargeError, UnsupportedBodyError, InvalidRequestError),
    },
    openapi_extra=json_body(RunChange, {"name": "Three seeds", "labels": {"team": "ranking"}}),
)
def change_evaluation(
    evaluation_id: str,
    change: Annotated[RunChange, Depends(fields_of(RunChange))],
    context: Service,
    tenant: Tenant,
    base: Base,
) -> EvaluationOut:
    """Change name, labels and pin of an evaluation, whatever its state. What is left out stays."""
    with context.database.transaction() as session:
        evaluation = service.change(session, evaluation_id, change, tenant_id=tenant)
        return EvaluationOut.of(evaluation, base=base)


@router.delete(
    "/evaluations/{evaluation_id}",
    summary="Delete an evaluation",
    responses={
        200: answer("The evaluation is deleted, and can be restored for a time.", DELETED_EXAMPLE),
        **documented(EvaluationNotFoundError, NotEndedError, PinnedError),
    },
)
def delete_evaluation(evaluation_id: str, context: Service, tenant: Tenant, base: Base) -> DeletedRun:
    """Delete an evaluation that has ended. It is hidden at once, and removed when it can no longer be restored."""
    with context.database.transaction() as session:
        evaluation = service.remove(session, evaluation_id, tenant_id=tenant)
        return DeletedRun.of(evaluation, base=base, frees_bytes=0, restore_days=context.settings.restore_days)


@router.post(
    "/evaluations/{evaluation_id}/restore",
    summary="Restore an evaluation",
    responses={
        200: answer("The evaluation.", SUCCEEDED_EXAMPLE),
        **documented(EvaluationNotFoundError, JobDeletedError),
    },
)
def restore_evaluation(evaluation_id: str, context: Service, tenant: Tenant, base: Base) -> EvaluationOut:
    """Restore a deleted evaluation. One that is not deleted is not changed."""
    with context.database.transaction() as session:
        return EvaluationOut.of(service.restore(session, evaluation_id, tenant_id=tenant), base=base)


@router.post(
    "/evaluations/{evaluation_id}/cancel",
    status_code=202,
    summary="Cancel an evaluation",
    responses={
        202: answer("The evaluation is cancelled, or will be within one step.", CANCELLING_EXAMPLE),
        **documented(EvaluationNotFoundError, AlreadyFinishedError),
    },
)
def cancel_evaluation(evaluation_id: str, context: Service, tenant: Tenant, base: Base) -> EvaluationOut:
    """Cancel an evaluation. A queued one is cancelled at once, a running one when its worker has stopped."""
    with context.database.transaction() as session:
        return EvaluationOut.of(service.cancel(session, evaluation_id, tenant_id=tenant), base=base)
