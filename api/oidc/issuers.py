"""Issuers that are trusted, and which of their tokens give which role: what `TD3_OIDC_ISSUERS` says."""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from api.access.users import User
from td3core.config.faults import faults

MOST_SUBJECT = 255
"""Characters of a subject, as OpenID Connect has it."""

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Algorithms of signatures with a public key. Others, of a shared secret or none at all, cannot be allowed."""

Text = Annotated[str, Field(min_length=1, max_length=1000)]


@dataclass(frozen=True, slots=True)
class Grant:
    """A role that a token gives its user."""

    project: str | None
    """None: in every project."""
    role: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What a token proves."""

    user: User
    grants: tuple[Grant, ...]
    expires_at: datetime


class Rule(BaseModel):
    """Gives a role to tokens that have all these claims."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    claims: Annotated[dict[Text, Text | bool | int], Field(min_length=1, max_length=20)]
    role: Literal["viewer", "member", "admin", "platform"]
    project: Text | None = None

    @model_validator(mode="after")
    def _names_a_project(self) -> Self:
        if (self.role == "platform") is (self.project is not None):
            raise ValueError("a project for each role but platform, which is one of all projects")
        return self

    def fits(self, claims: Mapping[str, Any]) -> bool:
        """Whether the claims of a token have every value; a claim that is a list has those that are in it."""
        return all(_has(_claim(claims, name), value) for name, value in self.claims.items())


def _secure(url: str) -> str:
    if not is_secure(url):
        raise ValueError("a URL with https, or with http of this machine itself (127.0.0.1)")
    return url


class Issuer(BaseModel):
    """An issuer whose tokens are accepted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    issuer: Annotated[Text, AfterValidator(_secure)]
    audience: Text
    algorithms: Annotated[list[Algorithm], Field(min_length=1)] = ["RS256", "ES256"]
    rules: Annotated[list[Rule], Field(max_length=1000)] = []

    def grants(self, claims: Mapping[str, Any]) -> Iterator[Grant]:
        """The roles that a token with these claims gives."""
        return (Grant(rule.project, rule.role) for rule in self.rules if rule.fits(claims))


_ISSUERS = TypeAdapter(Annotated[list[Issuer], Field(min_length=1, max_length=20)])


def parse_issuers(text: str) -> tuple[Issuer, ...]:
    """Read issuers from JSON.

    Raises:
        ValueError: It says which field is wrong.
    """
    try:
        issuers = tuple(_ISSUERS.validate_json(text))
    except ValidationError as error:
        raise ValueError(str(next(iter(faults(error.errors(include_url=False), None))))) from None
    names = [issuer.issuer for issuer in issuers]
    if len(set(names)) < len(names):
        raise ValueError("expected each issuer once")
    return issuers


def is_secure(url: str) -> bool:
    """Whether nobody on the way can change what is fetched from there: by HTTPS, or from this machine itself."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    local = parts.scheme == "http" and _is_loopback(host or "")
    return url.isprintable() and bool(host) and (parts.scheme == "https" or local)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of this name; `realm_access.roles` is also that within another, unless one is called so."""
    if name in claims:
        return claims[name]
    outer, _, inner = name.partition(".")
    within = claims.get(outer)
    return _claim(within, inner) if inner and isinstance(within, Mapping) else None


def _has(claim: Any, value: str | bool | int) -> bool:
    """Whether the claim is this value or a list with it. The truth value is no number."""
    return any(
        type(one) is type(value) and one == value for one in (claim if isinstance(claim, list) else [claim])
    )
