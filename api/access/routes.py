"""HTTP route of the principal of a request."""

from fastapi import APIRouter

from api.access.schemas import ME_EXAMPLE, Me
from api.http.auth import Caller
from api.http.openapi import answer

router = APIRouter(tags=["access"])


@router.get(
    "/me",
    summary="Who am I?",
    responses={200: answer("Whose request it is, and what it may do.", ME_EXAMPLE)},
)
async def me(caller: Caller) -> Me:
    """Get the project, the scopes and the expiry of the key or the token that the request carries."""
    return Me.of(caller)
