"""HTTP routes of events: pages of JSON, or server-sent events for clients that accept `text/event-stream`."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.orm import Session
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import Scope

from api.errors import EvaluationNotFoundError, JobNotFoundError
from api.evaluations import service as evaluations
from api.events.schemas import PAGE_EXAMPLE, STREAM_EXAMPLE, EventOut, EventPage
from api.http.auth import Lasting, Standing, Tenant
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
    """A route for requests that accept server-sent events; other requests fall through to the next route."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match only if the request accepts server-sent events."""
        if scope["type"] == "http" and STREAM not in Headers(scope=scope).get("accept", "").lower():
            return Match.NONE, {}
        return super().matches(scope)


router = APIRouter()
streams = APIRouter(route_class=StreamRoute, include_in_schema=False)

Limit = Annotated[int, Query(ge=1, le=1000, description="Maximum number of events in the page.")]


def _position(
    after: Annotated[
        int,
        Query(
            ge=0,
            le=MAX_SEQ,
            description="Return only events after this sequence number; 0: from the beginning.",
        ),
    ] = 0,
    last_event_id: Annotated[
        int | None,
        Header(
            alias="Last-Event-ID",
            ge=0,
            le=MAX_SEQ,
            description="Sequence number of the last event that a reconnecting client has received; overrides `after`.",
        ),
    ] = None,
) -> int:
    """The sequence number of the last event that the client has received."""
    return after if last_event_id is None else last_event_id


After = Annotated[int, Depends(_position)]


NotFound = type[JobNotFoundError] | type[EvaluationNotFoundError]


def _documented(not_found: NotFound) -> dict[int | str, Any]:
    page = answer(
        "A page of events, oldest first. With `Accept: text/event-stream`, a stream that ends with the last event of "
        "the run: `id` is the sequence number, `event` the kind, and `data` the same JSON as in a page.",
        PAGE_EXAMPLE,
    )
    page["content"][STREAM] = {"schema": {"type": "string"}, "example": STREAM_EXAMPLE}
    return {
        200: page,
        204: {"description": "The stream has no more events; do not reconnect."},
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
    """A stream that is about to begin, with its first events."""

    run_id: str
    after: int
    first: Sequence[Event]
    ended: bool


def _open(session: Session, run: Run, after: int, response: Response) -> Opened:
    """Read the first events before the stream begins, while an error response is still possible.

    A browser reconnects to a stream that has ended until it gets status 204.
    """
    first = events.after(session, run.id, after, limit=BATCH)
    if run.state.ended and not first:
        response.status_code = 204
    return Opened(run.id, after, first, run.state.ended)


async def _stream(opened: Opened, feed: Feed, standing: Standing) -> AsyncIterator[ServerSentEvent]:
    """Yield the existing events, then new ones as they come, up to the last event of the run.

    It ends early if the caller is no longer let in; the client is told why when it reconnects.
    """
    after, found = opened.after, opened.first
    while await standing.holds():
        for event in found:
            yield ServerSentEvent(
                raw_data=EventOut.model_validate(event).model_dump_json(), event=event.kind, id=str(event.seq)
            )
            after = event.seq
            if event.kind in events.LAST:
                return
        if opened.ended and len(found) < BATCH:
            return  # it ended before the service had an event log
        found = await feed.news(opened.run_id, after=after)
        if not found:
            return  # the server is shutting down


class Find(Protocol):
    """Returns the run with an id."""

    def __call__(self, session: Session, run_id: str, /, *, tenant_id: str) -> Run:
        """Raise the kind's own error if there is none."""
        ...


def _serve(
    runs: str, parameter: str, find: Find, *, summary: str, description: str, not_found: NotFound
) -> None:
    """Serve the events of one kind of run below `/{runs}/{id}`, as pages and as a stream."""
    path = f"/{runs}/{{{parameter}}}/events"

    def read_page(
        run: Annotated[str, Path(alias=parameter)],
        context: Service,
        tenant: Tenant,
        after: After,
        limit: Limit = 200,
    ) -> EventPage:
        with context.database.reading() as session:
            return _page(session, find(session, run, tenant_id=tenant), after, limit)

    def open_stream(
        run: Annotated[str, Path(alias=parameter)],
        context: Service,
        tenant: Tenant,
        after: After,
        response: Response,
    ) -> Opened:
        with context.database.reading() as session:
            return _open(session, find(session, run, tenant_id=tenant), after, response)

    async def stream(
        opened: Annotated[Opened, Depends(open_stream)], context: Service, standing: Lasting
    ) -> AsyncIterator[ServerSentEvent]:
        async for event in _stream(opened, context.feed, standing):
            yield event

    router.get(path, tags=[runs], summary=summary, description=description, responses=_documented(not_found))(
        read_page
    )
    streams.get(path, response_class=EventSourceResponse)(stream)


_serve(
    "jobs",
    "job_id",
    jobs.get,
    summary="List or stream the events of a job",
    description="List or stream the events of a job: submission, attempts, stages, losses, validations, warnings and "
    "the end.\n\nEvents are durable, numbered without gaps and in order.",
    not_found=JobNotFoundError,
)
_serve(
    "evaluations",
    "evaluation_id",
    evaluations.get,
    summary="List or stream the events of an evaluation",
    description="List or stream the events of an evaluation, in the same form as those of a job.",
    not_found=EvaluationNotFoundError,
)
