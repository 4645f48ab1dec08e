"""HTTP route of the principal of a request."""

from fastapi import APIRouter

from api.access.schemas import ME_EXAMPLE, Me
from api.http.auth import Caller
from api.http.context import Service
from api.http.openapi import answer
from api.limits import service as limits

router = APIRouter(tags=["access"])


@router.get(
    "/me",
    summary="Who am I?",
    responses={200: answer("Whose request it is, and what it may do.", ME_EXAMPLE)},
)
def me(caller: Caller, context: Service) -> Me:
    """Get the project, the scopes and the expiry of the key or the token of the request, and what is left of limits."""
    with context.database.reading() as session:
        usages = limits.usages(session, tenant_id=caller.project, defaults=context.settings.bounds)
    return Me.of(caller, usages)
