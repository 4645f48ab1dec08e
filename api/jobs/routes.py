"""HTTP routes of jobs."""

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Annotated

import structlog
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.access.scopes import Scope
from api.datasets import service as datasets
from api.datasets.schemas import ValidatedLog
from api.errors import (
    AlreadyFinishedError,
    BadRequestError,
    BusyError,
    InvalidCursorError,
    InvalidRequestError,
    InvalidSpecError,
    JobNotFoundError,
    KeyInUseError,
    KeyReusedError,
    QueuedRunsLimitError,
    StorageError,
    StorageFullError,
    StoredBytesLimitError,
    TooLargeError,
    TooManyWebhooksError,
    TooSlowError,
    UnsupportedBodyError,
    UploadsLimitError,
)
from api.http.auth import Caller, Tenant, missing_scope
from api.http.body import drain
from api.http.context import Service
from api.http.finding import Deleted, Noted, Order, Wanted
from api.http.openapi import answer
from api.http.pagination import Cursor, Limit, Page
from api.http.priority import Class, beyond_default
from api.http.problems import documented
from api.http.spec import as_sent
from api.http.version import Base
from api.idempotency.guard import Key, guarded, respond
from api.idempotency.keys import Answer, digest
from api.jobs import service
from api.jobs.receiving import BAD_LOG_EXAMPLES, UPLOAD_BODY, received_log
from api.jobs.schemas import (
    CANCELLING_EXAMPLE,
    DEDUPLICATED_EXAMPLE,
    PAUSING_EXAMPLE,
    QUEUED_EXAMPLE,
    RUNNING_EXAMPLE,
    SUBMITTED_EXAMPLE,
    VALIDATED_EXAMPLE,
    JobOut,
    SubmittedJob,
)
from api.limits.bounds import rate_limit_fields
from api.models import Priority
from api.runs.filters import Sort
from api.runs.standing import standings
from api.webhooks import service as webhooks

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/jobs", tags=["jobs"])

MAX_DEADLINE_SECONDS = 10 * 365 * 86_400


@router.post(
    "",
    status_code=202,
    response_model=SubmittedJob,
    summary="Submit a job",
    responses={
        200: answer("An identical job exists already; this is it.", DEDUPLICATED_EXAMPLE),
        202: answer("The job is queued; its URL is in `Location`.", SUBMITTED_EXAMPLE),
        **documented(
            BadRequestError,
            KeyInUseError,
            TooManyWebhooksError,
            TooLargeError,
            UnsupportedBodyError,
            InvalidRequestError,
            InvalidSpecError,
            KeyReusedError,
            QueuedRunsLimitError,
            StoredBytesLimitError,
            UploadsLimitError,
            StorageError,
            StorageFullError,
            TooSlowError,
            BusyError,
            examples={422: BAD_LOG_EXAMPLES},
        ),
    },
    openapi_extra=UPLOAD_BODY,
)
async def create_job(
    request: Request,
    context: Service,
    caller: Caller,
    tenant: Tenant,
    base: Base,
    notes: Noted,
    force: Annotated[
        bool, Query(description="Create a new job even if an identical one exists already.")
    ] = False,
    deadline_seconds: Annotated[
        float | None,
        Query(
            gt=0,
            le=MAX_DEADLINE_SECONDS,
            allow_inf_nan=False,
            description="Deadline of the job in seconds after its submission, including waiting and pauses. A job that "
            "has not ended by then fails.",
            examples=[3600],
        ),
    ] = None,
    priority: Class = Priority.NORMAL,
    key: Key = None,
) -> Response:
    """Upload an interaction log, optionally with a spec, and queue its distillation.

    A log with invalid rows is rejected with a problem that lists the first of them by line number. If an identical
    job exists already (same log, spec and version of the service), the response is that job, unless `force` is set. It
    rises to the class that was asked for, if that is higher, and keeps the name and the labels that it has; change them
    with `PATCH /v1/jobs/{job_id}`.

    A `webhook` is told of this job alone, also of what has happened to it before; it needs the scope `webhooks:write`
    as well.
    """
    settings = context.settings
    async with AsyncExitStack() as stack:
        try:
            guard = await stack.enter_async_context(
                guarded(context, tenant_id=tenant, route="POST /jobs", key=key)
            )
        except KeyInUseError as error:
            await drain(request.stream(), error)
            raise
        sent, bounds = await stack.enter_async_context(received_log(request, context, tenant))
        received, spec, webhook = sent.log, sent.spec, sent.webhook
        if webhook is not None:
            if Scope.WEBHOOKS_WRITE not in caller.scopes:
                raise missing_scope(Scope.WEBHOOKS_WRITE)
            webhooks.check_address(webhook.url, settings.webhook_policy, field="webhook.url")
        others = () if webhook is None else (as_sent(webhook), caller.id)
        asked = digest(
            received.sha256,
            received.name,
            as_sent(spec),
            deadline_seconds,
            force,
            *notes.sent,
            *others,
            *beyond_default(priority),
        )
        if answered := guard.replay(asked):
            return answered
        deadline = None if deadline_seconds is None else timedelta(seconds=deadline_seconds)

        def check_room() -> None:
            """Refuse what there is no room for before it is read and stored."""
            with context.database.reading() as session:
                service.check_room(
                    session,
                    received,
                    spec,
                    tenant_id=tenant,
                    deadline=deadline,
                    force=force,
                    bounds=settings.bounds,
                )

        if bounds.reserves:
            await run_in_threadpool(check_room)
        study = await run_sync(datasets.validate, received, spec.data, settings, limiter=context.validations)

        def accept() -> Response:
            """Store the log, create the job unless an identical one exists, and send its message after the commit."""
            stored = datasets.store(received, context.database, context.storage, tenant_id=tenant)
            with context.database.transaction() as session:
                accepted = service.accept(
                    session,
                    received,
                    spec,
                    tenant_id=tenant,
                    stored=stored,
                    study=study,
                    deadline=deadline,
                    priority=priority,
                    force=force,
                    name=notes.name,
                    labels=notes.labels,
                    bounds=settings.bounds,
                )
                endpoint = webhook and webhooks.attach(
                    session,
                    accepted.job.id,
                    tenant_id=tenant,
                    url=webhook.url,
                    events=webhook.events,
                    secret=webhook.secret,
                    policy=settings.webhook_policy,
                )
                body = SubmittedJob.answer(
                    accepted.job,
                    base=base,
                    deduplicated=accepted.deduplicated,
                    webhook=endpoint,
                    usages=accepted.usages,
                )
                status = 200 if accepted.deduplicated else 202
                given = Answer(status, body.links["self"], body.model_dump(mode="json"))
                guard.keep(session, given, request=asked)
            log.info("job.accepted", run=body.id, deduplicated=body.deduplicated)
            if not body.deduplicated:
                context.outbox.deliver([body.id])
            return respond(given, **rate_limit_fields(accepted.usages))

        return await run_in_threadpool(accept)


@router.post(
    "/validate",
    summary="Validate a log",
    responses={
        200: answer("A job would be accepted; how the log was read is in `reading`.", VALIDATED_EXAMPLE),
        **documented(
            BadRequestError,
            TooLargeError,
            UnsupportedBodyError,
            InvalidRequestError,
            InvalidSpecError,
            StorageFullError,
            TooSlowError,
            UploadsLimitError,
            BusyError,
            examples={422: BAD_LOG_EXAMPLES},
        ),
    },
    openapi_extra=UPLOAD_BODY,
)
async def validate_log(request: Request, context: Service, tenant: Tenant) -> ValidatedLog:
    """Read an interaction log as a job with this spec would, and report on it. There is no job, and nothing is kept.

    Of a large log only the beginning is read, as when a job is submitted: `reading.whole` is false then, its figures
    are of the beginning, and `profile` is null. A `webhook` is told nothing.
    """
    async with received_log(request, context, tenant) as (sent, _):
        study = await run_sync(
            datasets.validate, sent.log, sent.spec.data, context.settings, limiter=context.validations
        )
        return ValidatedLog.of(sent.log, study)


@router.get(
    "",
    summary="List jobs",
    responses={
        200: answer("A page of jobs.", {"items": [RUNNING_EXAMPLE], "next_cursor": None}),
        **documented(InvalidCursorError, InvalidRequestError),
    },
)
def list_jobs(
    context: Service,
    tenant: Tenant,
    base: Base,
    wanted: Wanted,
    sort: Order = Sort.LATEST_CREATED,
    deleted: Deleted = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[JobOut]:
    """List jobs, newest first: all of them, or those to which every filter applies.

    A filter that is repeated wants any of its values, but `label` wants all of them. A cursor belongs to its filters
    and its order.
    """
    with context.database.reading() as session:
        page = service.page(
            session, wanted, sort, tenant_id=tenant, deleted=deleted, limit=limit, cursor=cursor
        )
        stand = standings(session, page.rows, silent_after=context.settings.silent_after)
        return Page.of(page, lambda job: JobOut.of(job, base=base, standing=stand.get(job.id)))


@router.get(
    "/{job_id}",
    summary="Get a job",
    responses={200: answer("The job.", RUNNING_EXAMPLE), **documented(JobNotFoundError)},
)
def get_job(job_id: str, context: Service, tenant: Tenant, base: Base) -> JobOut:
    """Get the state, stage, progress, losses, scores and estimated remaining time of a job.

    A running job updates them about twice a second.
    """
    with context.database.reading() as session:
        job = service.get(session, job_id, tenant_id=tenant)
        stand = standings(session, [job], silent_after=context.settings.silent_after)
        return JobOut.of(job, base=base, standing=stand.get(job.id))


@router.post(
    "/{job_id}/cancel",
    status_code=202,
    summary="Cancel a job",
    responses={
        202: answer("The job is cancelled, or will be within one step.", CANCELLING_EXAMPLE),
        **documented(JobNotFoundError, AlreadyFinishedError),
    },
)
def cancel_job(job_id: str, context: Service, tenant: Tenant, base: Base) -> JobOut:
    """Cancel a job. A queued or paused job is cancelled at once, a running one when its worker has stopped.

    Repeating the request changes nothing.
    """
    with context.database.transaction() as session:
        return JobOut.of(service.cancel(session, job_id, tenant_id=tenant), base=base)


@router.post(
    "/{job_id}/pause",
    status_code=202,
    summary="Pause a job",
    responses={
        202: answer("The job is paused, or will be within one step.", PAUSING_EXAMPLE),
        **documented(JobNotFoundError, AlreadyFinishedError),
    },
)
def pause_job(job_id: str, context: Service, tenant: Tenant, base: Base) -> JobOut:
    """Pause a job. A queued job is paused at once, a running one when its worker has saved a checkpoint."""
    with context.database.transaction() as session:
        return JobOut.of(service.pause(session, job_id, tenant_id=tenant), base=base)


@router.post(
    "/{job_id}/resume",
    status_code=202,
    summary="Resume a job",
    responses={
        202: answer("The job is queued again, or continues.", QUEUED_EXAMPLE),
        **documented(JobNotFoundError, AlreadyFinishedError),
    },
)
def resume_job(job_id: str, context: Service, tenant: Tenant, base: Base) -> JobOut:
    """Resume a paused job. It is queued again and continues from its checkpoint.

    Its summary is the same as without the pause.
    """
    with context.database.transaction() as session:
        job = JobOut.of(service.resume(session, job_id, tenant_id=tenant), base=base)
    context.outbox.deliver([job.id])
    return job
