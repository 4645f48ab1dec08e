"""Request and response models of API keys."""

from datetime import datetime, timedelta
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.access.scopes import ROLES, Scope
from api.keys import service
from api.keys.service import NewKey
from api.models import ApiKey

DAY_SECONDS = 86_400
OVERLAP_SECONDS = 7 * DAY_SECONDS

KEY_EXAMPLE = {
    "id": "key_0199b2f0c3d47c7e9c3d7d3b8c9f1a2b",
    "project": "default",
    "name": "Nightly retraining",
    "last_characters": "x1Yz",
    "scopes": ["evaluations:write", "jobs:read", "jobs:write", "summaries:read"],
    "created_at": "2026-01-15T09:30:00Z",
    "created_by": "key_0199b2f0c3d27d0d8a52e3bdb4d1c0f1",
    "expires_at": "2026-04-15T09:30:00Z",
    "last_used_at": "2026-01-15T23:00:02Z",
    "revoked_at": None,
    "replaces": None,
}
NEW_KEY_EXAMPLE = KEY_EXAMPLE | {"last_used_at": None, "key": "td3_" + "x" * 32 + "x1Yz"}


class KeyIn(BaseModel):
    """A key to create: with a role, or with scopes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=200, description="What the key is for, or whose it is.")
    role: Literal["viewer", "member", "admin", "platform"] | None = Field(
        default=None, description="A name for usual scopes."
    )
    scopes: list[Scope] | None = Field(
        default=None, min_length=1, max_length=len(Scope), description="What the key may do."
    )
    expires_in_days: float = Field(
        default=service.LIFETIME.days,
        gt=0,
        le=service.LONGEST.days,
        allow_inf_nan=False,
        description="Days for which the key is valid.",
    )

    @model_validator(mode="after")
    def _says_what_it_may_do_once(self) -> Self:
        if (self.role is None) is (self.scopes is None):
            raise ValueError("expected either role or scopes")
        return self

    def granted(self) -> frozenset[Scope]:
        """The scopes that are asked for, as given."""
        return ROLES[self.role] if self.role else frozenset(self.scopes or ())

    def lifetime(self) -> timedelta:
        """How long the key is valid."""
        return timedelta(days=self.expires_in_days)


class RotationIn(BaseModel):
    """How a key is replaced."""

    model_config = ConfigDict(extra="forbid", strict=True)

    overlap_seconds: float = Field(
        default=OVERLAP_SECONDS,
        ge=0,
        le=90 * DAY_SECONDS,
        allow_inf_nan=False,
        description="Seconds for which the former key stays valid, unless it expires before.",
    )
    expires_in_days: float = Field(
        default=service.LIFETIME.days,
        gt=0,
        le=service.LONGEST.days,
        allow_inf_nan=False,
        description="Days for which the new key is valid.",
    )


class KeyOut(BaseModel):
    """An API key, without its text."""

    id: str = Field(description="Id of the key.")
    project: str = Field(description="Id of the project that the key belongs to.")
    name: str = Field(description="What the key is for, or whose it is.")
    last_characters: str = Field(
        description="The last four characters of its text; empty for the key of `TD3_FIRST_ADMIN_SHA256`, whose text "
        "the service was not told."
    )
    scopes: list[str] = Field(description="What the key may do, as given.")
    created_at: datetime = Field(description="When the key was created.")
    created_by: str | None = Field(
        description="Id of the key or the user that created it; null if a command or a setting did, or without access "
        "control."
    )
    expires_at: datetime = Field(description="When the key expires.")
    last_used_at: datetime | None = Field(description="When the key was last used, to the minute.")
    revoked_at: datetime | None = Field(description="When the key was revoked; null unless it was.")
    replaces: str | None = Field(description="Id of the key that it replaced.")

    @classmethod
    def of(cls, key: ApiKey) -> "KeyOut":
        """Build from a database row."""
        own = {name: getattr(key, name) for name in KeyOut.model_fields if name != "project"}
        return cls(project=key.tenant_id, **own)


class CreatedKey(KeyOut):
    """A key that was just created, with its text."""

    key: str = Field(description="The text of the key, to be sent with requests. It is not shown again.")

    @classmethod
    def answer(cls, made: NewKey) -> "CreatedKey":
        """Build from what was made."""
        return cls(**dict(KeyOut.of(made.row)), key=made.secret)
