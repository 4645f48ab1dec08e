"""Response models of the audit log."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from api.access.schemas import UserOut
from api.models import AuditEntry

AUDIT_EXAMPLE = {
    "id": "audit_0199b2f0c3d47c7e9c3d7d3b8c9f1a2b",
    "at": "2026-01-15T09:30:00Z",
    "action": "key.revoked",
    "target": "key_0199b2f0c3d27d0d8a52e3bdb4d1c0f1",
    "before": {"revoked_at": None},
    "after": {"revoked_at": "2026-01-15T09:30:00Z"},
    "key_id": "key_0199b2f0c3d47c7e9c3d7d3b8c9f1a2b",
    "user_id": None,
    "user": None,
    "address": "10.0.0.7",
    "request_id": "0199b2f0c3d47c7e9c3d7d3b8c9f1a2b",
}


class AuditEntryOut(BaseModel):
    """A change, and who made it."""

    id: str = Field(description="Id of the entry.")
    at: datetime = Field(description="When the change was made.")
    action: str = Field(description="What was done.", examples=["job.cancelled"])
    target: str = Field(description="Id of what was changed.")
    before: dict[str, Any] | None = Field(
        description="What was changed, as it was before; null if it is new."
    )
    after: dict[str, Any] | None = Field(description="What was changed, as it was then.")
    key_id: str | None = Field(
        description="Id of the API key of the request; null for users, without access control and for commands."
    )
    user_id: str | None = Field(description="Id of the user whose token the request had; null for API keys.")
    user: UserOut | None = Field(description="Who that is, as the token said then.")
    address: str | None = Field(
        description="Address that the request came from, which may be that of a gateway; null for commands."
    )
    request_id: str | None = Field(description="Id of the request, as in the logs; null for commands.")

    @classmethod
    def of(cls, entry: AuditEntry) -> "AuditEntryOut":
        """Build from a database row."""
        own = {name: getattr(entry, name) for name in AuditEntryOut.model_fields if name != "at"}
        return cls(at=entry.created_at, **own)
