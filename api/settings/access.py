"""Whose tokens let users in."""

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from api.oidc.issuers import Issuer, parse_issuers


class AccessSettings(BaseSettings):
    """Settings of tokens, which begin with `oidc`."""

    oidc_issuers: str | None = Field(
        default=None,
        description="OpenID Connect issuers whose tokens are taken beside API keys while `TD3_ACCESS_CONTROL` is on: a "
        "JSON list of objects with `issuer` (its URL), `audience`, `algorithms` (default: RS256 and ES256) and "
        "`rules`, each with `claims` that a token must have, a `role` and its `project`. Default: none.",
    )
    oidc_skew_seconds: float = Field(
        default=30,
        ge=0,
        le=300,
        description="Seconds by which the clock of an issuer may differ: a token is valid so much earlier and longer.",
    )
    oidc_refresh_seconds: float = Field(
        default=300,
        gt=0,
        description="Seconds after which the keys of an issuer are fetched again, so that withdrawn ones end.",
    )
    oidc_keep_seconds: float = Field(
        default=86400,
        gt=0,
        description="Seconds for which the keys of an issuer that does not answer are used further.",
    )
    oidc_retry_seconds: float = Field(
        default=10,
        gt=0,
        description="Seconds between two requests for the keys of an issuer, also for a key that is not known.",
    )

    @field_validator("oidc_issuers")
    @classmethod
    def _are_issuers(cls, text: str | None) -> str | None:
        if text is not None:
            parse_issuers(text)
        return text

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """The issuers whose tokens are taken."""
        return () if self.oidc_issuers is None else parse_issuers(self.oidc_issuers)
