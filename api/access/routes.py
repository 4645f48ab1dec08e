"""HTTP route of the principal of a request."""

from fastapi import APIRouter

from api.access.schemas import ME_EXAMPLE, Me
from api.http.auth import Caller
from api.http.openapi import answer

router = APIRouter(tags=["access"])


@router.get(
    "/me", summary="Who am I?", responses={200: answer("The key of the request, and its scopes.", ME_EXAMPLE)}
)
async def me(caller: Caller) -> Me:
    """Get the project, the scopes and the expiry of the key that the request carries."""
    return Me.of(caller)
