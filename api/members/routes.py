"""HTTP routes of the members of a project, for its administrators."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.access.users import User
from api.errors import InvalidCursorError, InvalidRequestError, MemberNotFoundError, ProjectNotFoundError
from api.http.auth import ManagedPath
from api.http.body import read_fields
from api.http.context import Context, Service
from api.http.openapi import answer, json_body
from api.http.pagination import Cursor, Limit, Page
from api.http.problems import documented
from api.http.version import Base
from api.members import service
from api.members.schemas import MEMBER_EXAMPLE, MemberIn, MemberOut
from api.projects import service as projects

router = APIRouter(prefix="/projects/{project_id}/members", tags=["access"])


@router.post(
    "",
    status_code=201,
    summary="Add a member",
    responses={
        200: answer("They were one, and have this role now.", MEMBER_EXAMPLE),
        201: answer("The member; its URL is in `Location`.", MEMBER_EXAMPLE),
        **documented(ProjectNotFoundError, InvalidRequestError),
    },
    openapi_extra=json_body(MemberIn, {"subject": MEMBER_EXAMPLE["subject"], "role": "member"}),
)
async def add_member(
    request: Request, response: Response, context: Service, project: ManagedPath, base: Base
) -> MemberOut:
    """Give a user of an issuer a role in the project, or another one in place of it. It holds from their next request.

    A user has the rights of this role and of those that the rules of the issuer give them.
    """
    wanted = await read_fields(request, MemberIn)
    user = User(_issuer(context, wanted.issuer), wanted.subject, name=None)

    def put() -> tuple[MemberOut, bool]:
        with context.database.transaction() as session:
            tenant_id = projects.get(session, project).id
            row, is_new = service.put(session, user, wanted.role, tenant_id=tenant_id)
            return MemberOut.of(row), is_new

    member, is_new = await run_in_threadpool(put)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"{base}/projects/{project}/members/{member.user_id}"
    return member


@router.get(
    "",
    summary="List members",
    responses={
        200: answer("A page of members, the latest first.", {"items": [MEMBER_EXAMPLE], "next_cursor": None}),
        **documented(ProjectNotFoundError, InvalidCursorError),
    },
)
def list_members(
    context: Service, project: ManagedPath, limit: Limit = 50, cursor: Cursor = None
) -> Page[MemberOut]:
    """List the users who were given a role in the project, without those who have one by the rules of an issuer."""
    with context.database.reading() as session:
        tenant_id = projects.get(session, project).id
        return Page.of(service.page(session, tenant_id=tenant_id, limit=limit, cursor=cursor), MemberOut.of)


@router.get(
    "/{user_id}",
    summary="Get a member",
    responses={
        200: answer("The member.", MEMBER_EXAMPLE),
        **documented(ProjectNotFoundError, MemberNotFoundError),
    },
)
def get_member(user_id: str, context: Service, project: ManagedPath) -> MemberOut:
    """Get a user who was given a role in the project."""
    with context.database.reading() as session:
        return MemberOut.of(service.get(session, user_id, tenant_id=project))


@router.delete(
    "/{user_id}",
    status_code=204,
    summary="Remove a member",
    responses={
        204: {"description": "They are no member."},
        **documented(ProjectNotFoundError, MemberNotFoundError),
    },
)
def remove_member(user_id: str, context: Service, project: ManagedPath) -> None:
    """Take a user's role in the project away, at once and in every process. What they submitted stays."""
    with context.database.transaction() as session:
        service.remove(session, user_id, tenant_id=project)


def _issuer(context: Context, wanted: str | None) -> str:
    trusted = [issuer.issuer for issuer in context.settings.issuers]
    if wanted in trusted:
        return wanted
    if wanted is None and len(trusted) == 1:
        return trusted[0]
    known = f"one of {', '.join(trusted)}" if trusted else "TD3_OIDC_ISSUERS to name some, which it does not"
    reason = f"expected {known}" if wanted is None else f"got {wanted!r}, expected {known}"
    raise InvalidRequestError(
        f"The body is invalid: issuer: {reason}", errors=[{"field": "issuer", "reason": reason}]
    )
