"""Where and when webhooks are sent."""

from datetime import timedelta

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from api.webhooks import addresses, schedule


class WebhookSettings(BaseSettings):
    """Settings of webhooks, which begin with `webhook`."""

    webhook_networks: str | None = Field(
        default=None,
        description="Networks that webhooks may be sent to, such as `10.0.0.0/8,fd00::/8`, separated by commas. "
        "Public addresses are then refused if none of these networks has them. Default: all public addresses. "
        "Addresses that are link-local or of the metadata service of a cloud are refused in any case.",
    )
    webhook_loopback: bool = Field(
        default=False,
        description="Whether webhooks may be sent to this machine itself (127.0.0.1), for development and tests.",
    )
    webhook_proxy: str | None = Field(
        default=None,
        repr=False,
        description="URL of an HTTP proxy that webhooks are sent through, such as `http://proxy:3128`. It looks up the "
        "names of receivers in place of the keeper, and has to refuse addresses that are not allowed.",
    )
    webhook_schedule: str = Field(
        default="0,5,300,1800,7200,18000,36000,50400,72000,86400",
        description="Seconds that a delivery waits before each try, separated by commas; up to a fifth is added at "
        "random. After the last one it has failed.",
    )
    webhook_timeout_seconds: float = Field(
        default=15,
        gt=0,
        le=120,
        description="Time limit of a try in seconds, from looking up the name of the receiver to its answer.",
    )
    webhook_failing_days: float = Field(
        default=5,
        gt=0,
        description="Days for which every try may fail until the service switches a webhook off.",
    )
    webhook_retention_days: float = Field(
        default=30, gt=0, description="Days for which deliveries of webhooks are kept."
    )

    @field_validator("webhook_networks")
    @classmethod
    def _are_networks(cls, text: str | None) -> str | None:
        if text is not None:
            addresses.parse_networks(text)
        return text

    @field_validator("webhook_schedule")
    @classmethod
    def _is_a_schedule(cls, text: str) -> str:
        schedule.parse(text)
        return text

    @property
    def webhook_policy(self) -> addresses.Policy:
        """Where webhooks may be sent to."""
        networks = self.webhook_networks
        return addresses.Policy(
            networks=None if networks is None else addresses.parse_networks(networks),
            loopback=self.webhook_loopback,
        )

    @property
    def webhook_waits(self) -> tuple[timedelta, ...]:
        """How long a delivery waits before each try."""
        return schedule.parse(self.webhook_schedule)
