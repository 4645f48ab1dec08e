"""Request and response models of the members of a project."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.models import Member
from api.oidc.issuers import MOST_SUBJECT

Role = Literal["viewer", "member", "admin"]

MEMBER_EXAMPLE = {
    "user_id": "user_6f1c2a0f4be1d9d06a0f3c0f5a1b2c3d",
    "project": "proj_0199b2f0c3d47c7e9c3d7d3b8c9f1a2b",
    "issuer": "https://login.example.com/realms/research",
    "subject": "f7b3c1d2-58a4-4d3e-9a55-0c6b1d2e3f40",
    "role": "member",
    "created_at": "2026-01-15T09:30:00Z",
    "created_by": "key_0199b2f0c3d27d0d8a52e3bdb4d1c0f1",
}


def _is_printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected printable characters")
    return text


class MemberIn(BaseModel):
    """A user, and the role that they are given."""

    model_config = ConfigDict(extra="forbid", strict=True)

    issuer: str | None = Field(
        default=None,
        max_length=1000,
        description="URL of the issuer that knows the user. Default: the only one that the service trusts.",
    )
    subject: Annotated[str, AfterValidator(_is_printable)] = Field(
        min_length=1,
        max_length=MOST_SUBJECT,
        description="The `sub` of the user's tokens, which `GET /v1/me` shows to them.",
    )
    role: Role = Field(description="What they may do: scopes by the name of a role.")


class MemberOut(BaseModel):
    """A member of a project."""

    user_id: str = Field(description="Id of the user.")
    project: str = Field(description="Id of the project.")
    issuer: str = Field(description="URL of the issuer that knows the user.")
    subject: str = Field(description="The `sub` of the user's tokens.")
    role: str = Field(description="Role of the user in the project.")
    created_at: datetime = Field(description="When the user was added.")
    created_by: str | None = Field(
        description="Id of the key or the user that added them; null without access control."
    )

    @classmethod
    def of(cls, member: Member) -> "MemberOut":
        """Build from a database row."""
        own = {name: getattr(member, name) for name in MemberOut.model_fields if name != "project"}
        return cls(project=member.tenant_id, **own)
