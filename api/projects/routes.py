"""HTTP routes of projects, for platform administrators."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.errors import InvalidCursorError, InvalidRequestError, ProjectNotFoundError
from api.http.body import read_fields
from api.http.context import Service
from api.http.openapi import answer, json_body
from api.http.pagination import Cursor, Limit, Page
from api.http.problems import documented
from api.http.version import Base
from api.projects import service
from api.projects.schemas import PROJECT_EXAMPLE, ProjectChange, ProjectIn, ProjectOut

router = APIRouter(prefix="/projects", tags=["access"])


@router.post(
    "",
    status_code=201,
    summary="Create a project",
    responses={
        201: answer("The project; its URL is in `Location`.", PROJECT_EXAMPLE),
        **documented(InvalidRequestError),
    },
    openapi_extra=json_body(ProjectIn, {"name": "Recommendations"}),
)
async def create_project(request: Request, response: Response, context: Service, base: Base) -> ProjectOut:
    """Create a project. Its first key is created with `POST /v1/keys?project=...`."""
    wanted = await read_fields(request, ProjectIn)

    def create() -> ProjectOut:
        with context.database.transaction() as session:
            return ProjectOut.of(service.create(session, wanted.name, weight=wanted.weight))

    project = await run_in_threadpool(create)
    response.headers["Location"] = f"{base}/projects/{project.id}"
    return project


@router.get(
    "",
    summary="List projects",
    responses={
        200: answer("A page of projects, newest first.", {"items": [PROJECT_EXAMPLE], "next_cursor": None}),
        **documented(InvalidCursorError),
    },
)
def list_projects(context: Service, limit: Limit = 50, cursor: Cursor = None) -> Page[ProjectOut]:
    """List the projects, newest first; the last one is `default`."""
    with context.database.reading() as session:
        return Page.of(service.page(session, limit=limit, cursor=cursor), ProjectOut.of)


@router.get(
    "/{project_id}",
    summary="Get a project",
    responses={200: answer("The project.", PROJECT_EXAMPLE), **documented(ProjectNotFoundError)},
)
def get_project(project_id: str, context: Service) -> ProjectOut:
    """Get a project."""
    with context.database.reading() as session:
        return ProjectOut.of(service.get(session, project_id))


@router.patch(
    "/{project_id}",
    summary="Change a project",
    responses={
        200: answer("The project, as it is then.", PROJECT_EXAMPLE),
        **documented(ProjectNotFoundError, InvalidRequestError),
    },
    openapi_extra=json_body(ProjectChange, {"weight": 2, "limits": {"queued_runs": 20}}, required=False),
)
async def change_project(project_id: str, request: Request, context: Service) -> ProjectOut:
    """Change the name, the weight or the limits of a project; what is left out stays.

    A weight counts from the next run that begins. A limit that is null becomes that of the service. A limit holds from
    the next request on: what exceeds a lower one already is kept, and nothing is added to it.
    """
    wanted = await read_fields(request, ProjectChange)
    limits = None if wanted.limits is None else wanted.limits.model_dump(exclude_unset=True)

    def change() -> ProjectOut:
        with context.database.transaction() as session:
            project = service.change(
                session, project_id, name=wanted.name, weight=wanted.weight, limits=limits
            )
            return ProjectOut.of(project)

    return await run_in_threadpool(change)
