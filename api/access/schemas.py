"""Response models of the principal of a request."""

from datetime import datetime

from pydantic import BaseModel, Field

from api.access.principal import Principal
from api.access.scopes import Scope

ME_EXAMPLE = {
    "project": "default",
    "key_id": "key_0199b2f0c3d47c7e9c3d7d3b8c9f1a2b",
    "scopes": ["datasets:read", "jobs:read", "summaries:read"],
    "expires_at": "2026-04-15T09:30:00Z",
}


class Me(BaseModel):
    """Who sent the request, and what they may do."""

    project: str = Field(description="Id of the project to which the request is restricted.")
    key_id: str | None = Field(description="Id of the API key; null without access control.")
    scopes: list[Scope] = Field(description="What the key may do, with the scopes that others include.")
    expires_at: datetime | None = Field(description="When the key expires; null without access control.")

    @classmethod
    def of(cls, principal: Principal) -> "Me":
        """Build from the principal."""
        return cls(
            project=principal.project,
            key_id=principal.key_id,
            scopes=sorted(principal.scopes),
            expires_at=principal.expires_at,
        )
