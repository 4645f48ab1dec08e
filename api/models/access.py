"""Projects, their keys, and the log of changes."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from api import ids
from api.models.base import Listed, Resource
from api.telemetry import correlation

DEFAULT_TENANT = "default"


class Project(Listed):
    """A project. The rows that it owns have its id as their `tenant_id`."""

    __tablename__ = "projects"

    name: Mapped[str] = mapped_column(String(200))
    weight: Mapped[float] = mapped_column(default=1.0, server_default="1")
    """Its share of the workers, relative to those of other projects, while runs of several wait."""
    limits: Mapped[dict[str, Any] | None]
    """Its own limits, by the names of `api.limits.bounds.Limit`; those of the service hold where it has none."""


class ApiKey(Resource):
    """A key with which clients prove who they are. Its text is not stored, only the hash."""

    __tablename__ = "api_keys"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True, sort_order=-2)
    name: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    last_characters: Mapped[str] = mapped_column(String(4))
    """The end of its text, by which people recognise it."""
    scopes: Mapped[list[str]] = mapped_column(JSON)
    """As given, without those that they include."""
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    """When it was last used, to the minute."""
    replaces: Mapped[str | None] = mapped_column(ForeignKey("api_keys.id"), index=True)
    """Id of the key that it replaced, which stays valid for a while."""
    created_by: Mapped[str | None] = mapped_column(String(ids.LENGTH), default=correlation.current_caller_id)
    """Id of the key or the user that created it; null if the command did, on the machine of the service."""


class Member(Resource):
    """A user's role in a project. Whoever the rules of an issuer give a role has no row."""

    __tablename__ = "members"
    __table_args__ = (UniqueConstraint("tenant_id", "user_id"),)

    tenant_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), sort_order=-2)
    user_id: Mapped[str] = mapped_column(String(ids.LENGTH), index=True)
    """Id of the user, which follows from the next two."""
    issuer: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(String(16))
    created_by: Mapped[str | None] = mapped_column(String(ids.LENGTH), default=correlation.current_caller_id)
    """Id of the key or the user that added it."""


class AuditEntry(Resource):
    """A change, and who made it. Only `api.audit` writes it, in the transaction of the change."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "tenant_id", "id"), Index(None, "created_at"))

    action: Mapped[str] = mapped_column(String(64))
    target: Mapped[str] = mapped_column(String(ids.LENGTH))
    """Id of what was changed."""
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    key_id: Mapped[str | None] = mapped_column(String(ids.LENGTH))
    """Id of the API key of the request; null for users, without access control, and for commands."""
    user_id: Mapped[str | None] = mapped_column(String(ids.LENGTH))
    """Id of the user of the request."""
    user: Mapped[dict[str, Any] | None]
    """Issuer, subject and name of the user at that time."""
    address: Mapped[str | None] = mapped_column(String(64))
    """Address that the request came from."""
    request_id: Mapped[str | None] = mapped_column(String(64))
