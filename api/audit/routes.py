"""HTTP routes of the audit log: pages, and all of it as lines of JSON."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from api.audit import service
from api.audit.schemas import AUDIT_EXAMPLE, AuditEntryOut
from api.audit.service import Action, Filter
from api.errors import InvalidCursorError, InvalidRequestError, ProjectNotFoundError
from api.http.auth import Managed
from api.http.context import Service
from api.http.openapi import answer
from api.http.pagination import Cursor, Limit, Page
from api.http.problems import documented
from api.moments import Moment
from api.projects import service as projects

router = APIRouter(prefix="/audit", tags=["access"])

JSON_LINES = "application/jsonl"


def _filter(
    action: Annotated[Action | None, Query(description="Only this action.")] = None,
    target: Annotated[
        str | None, Query(max_length=64, description="Only changes of what has this id.")
    ] = None,
    key_id: Annotated[
        str | None, Query(max_length=64, description="Only changes made with the key of this id.")
    ] = None,
    user_id: Annotated[
        str | None, Query(max_length=64, description="Only changes made by the user of this id.")
    ] = None,
    since: Annotated[
        Moment | None, Query(description="Only changes at this time or later, with a time zone.")
    ] = None,
    until: Annotated[
        Moment | None, Query(description="Only changes before this time, with a time zone.")
    ] = None,
) -> Filter:
    return Filter(action, target, key_id, user_id, since, until)


Wanted = Annotated[Filter, Depends(_filter)]


@router.get(
    "",
    summary="List changes",
    responses={
        200: answer("A page of changes, newest first.", {"items": [AUDIT_EXAMPLE], "next_cursor": None}),
        **documented(ProjectNotFoundError, InvalidCursorError, InvalidRequestError),
    },
)
def list_changes(
    context: Service, project: Managed, wanted: Wanted, limit: Limit = 50, cursor: Cursor = None
) -> Page[AuditEntryOut]:
    """List the changes that were made in the project, newest first, and who made them."""
    with context.database.reading() as session:
        tenant_id = projects.get(session, project).id
        page = service.page(session, wanted, tenant_id=tenant_id, limit=limit, cursor=cursor)
        return Page.of(page, AuditEntryOut.of)


@router.get(
    "/export",
    summary="Export changes",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "A JSON object a line, oldest first.",
            "content": {JSON_LINES: {"schema": {"type": "string"}, "example": AUDIT_EXAMPLE}},
        },
        **documented(ProjectNotFoundError, InvalidRequestError),
    },
)
def export_changes(context: Service, project: Managed, wanted: Wanted) -> StreamingResponse:
    """Download all changes that were made in the project, oldest first, as lines of JSON."""
    with context.database.reading() as session:
        projects.get(session, project)

    def lines() -> Iterator[str]:
        for entry in service.export(context.database, wanted, tenant_id=project):
            yield AuditEntryOut.of(entry).model_dump_json() + "\n"

    rest = lines()
    first = list(islice(rest, 1))  # before the response begins, so that an error becomes one
    return StreamingResponse(chain(first, rest), media_type=JSON_LINES)
