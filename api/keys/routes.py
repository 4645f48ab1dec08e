"""HTTP routes of API keys, for the administrators of a project."""

from datetime import timedelta

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.errors import (
    InvalidCursorError,
    InvalidRequestError,
    KeyNotFoundError,
    KeyNotRotatableError,
    ProjectNotFoundError,
)
from api.http.auth import Caller, Managed
from api.http.body import read_fields
from api.http.context import Service
from api.http.openapi import answer, json_body
from api.http.pagination import Cursor, Limit, Page
from api.http.problems import documented
from api.http.version import Base
from api.keys import service
from api.keys.schemas import KEY_EXAMPLE, NEW_KEY_EXAMPLE, CreatedKey, KeyIn, KeyOut, RotationIn
from api.projects import service as projects

router = APIRouter(prefix="/keys", tags=["access"])


@router.post(
    "",
    status_code=201,
    summary="Create a key",
    responses={
        201: answer("The key, with its text; its URL is in `Location`.", NEW_KEY_EXAMPLE),
        **documented(ProjectNotFoundError, InvalidRequestError),
    },
    openapi_extra=json_body(KeyIn, {"name": "Nightly retraining", "role": "member"}),
)
async def create_key(
    request: Request, response: Response, context: Service, caller: Caller, project: Managed, base: Base
) -> CreatedKey:
    """Create a key with a role or with scopes, which the key of the request must have as well.

    Its text is in this response alone. `Idempotency-Key` has no effect, because a response that is kept would have it.
    """
    wanted = await read_fields(request, KeyIn)

    def create() -> CreatedKey:
        with context.database.transaction() as session:
            made = service.create(
                session,
                tenant_id=projects.get(session, project).id,
                name=wanted.name,
                scopes=wanted.granted(),
                lifetime=wanted.lifetime(),
                giver=caller.scopes,
            )
            return CreatedKey.answer(made)

    return _created(response, await run_in_threadpool(create), base)


@router.get(
    "",
    summary="List keys",
    responses={
        200: answer("A page of keys, newest first.", {"items": [KEY_EXAMPLE], "next_cursor": None}),
        **documented(ProjectNotFoundError, InvalidCursorError),
    },
)
def list_keys(context: Service, project: Managed, limit: Limit = 50, cursor: Cursor = None) -> Page[KeyOut]:
    """List the keys of the project, newest first, with those that have been revoked or have expired."""
    with context.database.reading() as session:
        tenant_id = projects.get(session, project).id
        return Page.of(service.page(session, tenant_id=tenant_id, limit=limit, cursor=cursor), KeyOut.of)


@router.get(
    "/{key_id}",
    summary="Get a key",
    responses={200: answer("The key, without its text.", KEY_EXAMPLE), **documented(KeyNotFoundError)},
)
def get_key(key_id: str, context: Service, project: Managed) -> KeyOut:
    """Get a key, without its text."""
    with context.database.reading() as session:
        return KeyOut.of(service.get(session, key_id, tenant_id=project))


@router.post(
    "/{key_id}/rotate",
    status_code=201,
    summary="Replace a key",
    responses={
        201: answer(
            "The new key, with its text; its URL is in `Location`.",
            NEW_KEY_EXAMPLE | {"replaces": "key_0199b2f0c3d27d0d8a52e3bdb4d1c0f1"},
        ),
        **documented(KeyNotFoundError, KeyNotRotatableError, InvalidRequestError),
    },
    openapi_extra=json_body(RotationIn, {"overlap_seconds": 3600}, required=False),
)
async def rotate_key(
    key_id: str,
    request: Request,
    response: Response,
    context: Service,
    caller: Caller,
    project: Managed,
    base: Base,
) -> CreatedKey:
    """Create a key of the same name and scopes. The former one stays valid for a while, by default a week.

    No more than two keys that replace each other are valid at once.
    """
    wanted = await read_fields(request, RotationIn)

    def rotate() -> CreatedKey:
        with context.database.transaction() as session:
            made = service.rotate(
                session,
                key_id,
                tenant_id=project,
                overlap=timedelta(seconds=wanted.overlap_seconds),
                lifetime=timedelta(days=wanted.expires_in_days),
                giver=caller.scopes,
            )
            return CreatedKey.answer(made)

    return _created(response, await run_in_threadpool(rotate), base)


@router.delete(
    "/{key_id}",
    status_code=204,
    summary="Revoke a key",
    responses={204: {"description": "The key is revoked."}, **documented(KeyNotFoundError)},
)
def revoke_key(key_id: str, context: Service, caller: Caller, project: Managed) -> None:
    """Revoke a key at once, in every process of the service. It stays in the list.

    Repeating the request changes nothing.
    """
    with context.database.transaction() as session:
        service.revoke(session, key_id, tenant_id=project, giver=caller.scopes)


def _created(response: Response, made: CreatedKey, base: str) -> CreatedKey:
    response.headers["Location"] = f"{base}/keys/{made.id}"
    return made
