"""The event log over HTTP: pages of JSON, or server-sent events for who accepts `text/event-stream`."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.orm import Session
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import Scope

from api.errors import EvaluationNotFoundError, JobNotFoundError
from api.evaluations import service as evaluations
from api.events.schemas import PAGE_EXAMPLE, STREAM_EXAMPLE, EventOut, EventPage
from api.http.auth import Tenant
from api.http.context import Service
from api.http.openapi import answer
from api.http.problems import documented
from api.jobs import service as jobs
from api.models import Event, Run
from api.runs import events
from api.runs.feed import Feed

STREAM = "text/event-stream"
MAX_SEQ = 2**31 - 1
BATCH = 500


class StreamRoute(APIRoute):
    """A route for requests that accept server-sent events; the others go on to the next of the same path."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Look at `Accept` too."""
        if scope["type"] == "http" and STREAM not in Headers(scope=scope).get("accept", "").lower():
            return Match.NONE, {}
        return super().matches(scope)


router = APIRouter()
streams = APIRouter(route_class=StreamRoute, include_in_schema=False)

Limit = Annotated[int, Query(ge=1, le=1000, description="Most events a page holds.")]


def _position(
    after: Annotated[
        int, Query(ge=0, le=MAX_SEQ, description="Only events after this number; 0: from the beginning.")
    ] = 0,
    last_event_id: Annotated[
        int | None,
        Header(
            alias="Last-Event-ID",
            ge=0,
            le=MAX_SEQ,
            description="What a stream that reconnects has seen; goes before `after`.",
        ),
    ] = None,
) -> int:
    """The number of the last event that the client has seen."""
    return after if last_event_id is None else last_event_id


After = Annotated[int, Depends(_position)]


def _documented(not_found: type[JobNotFoundError] | type[EvaluationNotFoundError]) -> dict[int | str, Any]:
    page = answer(
        "A page, oldest first. With `Accept: text/event-stream`, a stream that goes on to the run's last event: "
        "`id` is the number, `event` the kind, `data` the same JSON as in a page.",
        PAGE_EXAMPLE,
    )
    page["content"][STREAM] = {"schema": {"type": "string"}, "example": STREAM_EXAMPLE}
    return {
        200: page,
        204: {"description": "To a stream that has seen the last event: do not reconnect."},
        **documented(not_found),
    }


def _page(session: Session, run: Run, after: int, limit: int) -> EventPage:
    found = events.after(session, run.id, after, limit=limit)
    return EventPage(
        items=[EventOut.model_validate(event) for event in found],
        next_after=found[-1].seq if found else after,
        ended=run.state.ended and len(found) < limit,
    )


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream that is about to begin: its run was found, and its first events are here."""

    run_id: str
    after: int
    first: Sequence[Event]
    ended: bool


def _open(session: Session, run: Run, after: int, response: Response) -> Opened:
    """Read what there is before the stream begins, while a problem can still be answered.

    A browser reconnects to a stream that ended, until it is told by 204 that there is no more.
    """
    first = events.after(session, run.id, after, limit=BATCH)
    if run.state.ended and not first:
        response.status_code = 204
    return Opened(run.id, after, first, run.state.ended)


async def _stream(opened: Opened, feed: Feed) -> AsyncIterator[ServerSentEvent]:
    """What was there, then what comes, up to the last event of the run."""
    after, found = opened.after, opened.first
    while True:
        for event in found:
            yield ServerSentEvent(
                raw_data=EventOut.model_validate(event).model_dump_json(), event=event.kind, id=str(event.seq)
            )
            after = event.seq
            if event.kind in events.LAST:
                return
        if opened.ended and len(found) < BATCH:
            return  # it ended before there was an event log
        found = await feed.news(opened.run_id, after=after)
        if not found:
            return  # the server stops


@router.get(
    "/jobs/{job_id}/events",
    tags=["jobs"],
    summary="What happened to a job",
    responses=_documented(JobNotFoundError),
)
def job_events(job_id: str, context: Service, tenant: Tenant, after: After, limit: Limit = 200) -> EventPage:
    """Submission, attempts, stages, validations, sampled losses, warnings and the end: durable and in order."""
    with context.database.reading() as session:
        return _page(session, jobs.get(session, job_id, tenant_id=tenant), after, limit)


@router.get(
    "/evaluations/{evaluation_id}/events",
    tags=["evaluations"],
    summary="What happened to an evaluation",
    responses=_documented(EvaluationNotFoundError),
)
def evaluation_events(
    evaluation_id: str, context: Service, tenant: Tenant, after: After, limit: Limit = 200
) -> EventPage:
    """As for a job."""
    with context.database.reading() as session:
        return _page(session, evaluations.get(session, evaluation_id, tenant_id=tenant), after, limit)


def _open_job(job_id: str, context: Service, tenant: Tenant, after: After, response: Response) -> Opened:
    with context.database.reading() as session:
        return _open(session, jobs.get(session, job_id, tenant_id=tenant), after, response)


def _open_evaluation(
    evaluation_id: str, context: Service, tenant: Tenant, after: After, response: Response
) -> Opened:
    with context.database.reading() as session:
        return _open(session, evaluations.get(session, evaluation_id, tenant_id=tenant), after, response)


@streams.get("/jobs/{job_id}/events", response_class=EventSourceResponse)
async def stream_job_events(
    opened: Annotated[Opened, Depends(_open_job)], context: Service
) -> AsyncIterator[ServerSentEvent]:
    """The same as a stream."""
    async for event in _stream(opened, context.feed):
        yield event


@streams.get("/evaluations/{evaluation_id}/events", response_class=EventSourceResponse)
async def stream_evaluation_events(
    opened: Annotated[Opened, Depends(_open_evaluation)], context: Service
) -> AsyncIterator[ServerSentEvent]:
    """The same as a stream."""
    async for event in _stream(opened, context.feed):
        yield event
