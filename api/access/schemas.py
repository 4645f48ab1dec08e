"""Response models of the principal of a request."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, Field

from api.access.principal import Principal
from api.access.scopes import Scope
from api.access.users import User
from api.limits.bounds import Usage
from api.limits.schemas import LIMIT_EXAMPLE, LimitUse

ME_EXAMPLE = {
    "project": "default",
    "key_id": "key_0199b2f0c3d47c7e9c3d7d3b8c9f1a2b",
    "user": None,
    "scopes": ["datasets:read", "jobs:read", "summaries:read"],
    "expires_at": "2026-04-15T09:30:00Z",
    "limits": [LIMIT_EXAMPLE],
}


class UserOut(BaseModel):
    """Whose token a request had."""

    id: str = Field(description="Id of the user.")
    issuer: str = Field(description="URL of the issuer of the token.")
    subject: str = Field(description="By which the issuer tells its users apart.")
    name: str | None = Field(description="Name of the user, for people; null if the token has none.")

    @classmethod
    def of(cls, user: User) -> "UserOut":
        """Build from the user."""
        return cls(id=user.id, issuer=user.issuer, subject=user.subject, name=user.name)


class Me(BaseModel):
    """Who sent the request, and what they may do."""

    project: str = Field(description="Id of the project to which the request is restricted.")
    key_id: str | None = Field(description="Id of the API key; null for users and without access control.")
    user: UserOut | None = Field(
        description="Whose token it is; null for API keys and without access control."
    )
    scopes: list[Scope] = Field(
        description="What the key or the user may do, with the scopes that others include."
    )
    expires_at: datetime | None = Field(
        description="When the key or the token expires; null without access control."
    )

    limits: list[LimitUse] = Field(description="What the project may use, and what is left of it.")

    @classmethod
    def of(cls, principal: Principal, usages: Iterable[Usage]) -> "Me":
        """Build from the principal."""
        return cls(
            project=principal.project,
            key_id=principal.key_id,
            user=UserOut.of(principal.user) if principal.user else None,
            scopes=sorted(principal.scopes),
            expires_at=principal.expires_at,
            limits=[LimitUse.of(usage) for usage in usages],
        )
