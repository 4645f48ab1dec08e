"""Settings of the service, read from `TD3_` environment variables, which no other module reads.

Libraries have variables of their own: the S3 client the `AWS_` ones, with which `api.storage.bucket` agrees on the
region; the Prometheus client `PROMETHEUS_MULTIPROC_DIR`, which `worker.metrics` sets for the children; and CUDA those
by which it numbers devices, which `worker.gpu` follows.
"""

from typing import Literal

from pydantic import AliasChoices, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsConfigDict

from api.errors import SettingsError
from api.limits.bounds import Bounds
from api.settings.access import AccessSettings
from api.settings.data import DataSettings
from api.settings.limits import LimitSettings
from api.settings.runs import Queue, RunSettings
from api.settings.server import ServerSettings
from api.settings.webhooks import WebhookSettings
from td3core.config.faults import expectation

__all__ = ["Queue", "Settings", "load_settings"]


class Settings(AccessSettings, WebhookSettings, LimitSettings, RunSettings, ServerSettings, DataSettings):
    """Read from `TD3_...` environment variables. The defaults are those of the embedded profile."""

    model_config = SettingsConfigDict(env_prefix="TD3_", frozen=True, extra="ignore", validate_by_name=True)

    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65534,
        description="Port of the Prometheus metrics of a worker or keeper; in the embedded profile the keeper uses "
        "the next port. Default: no metrics server.",
    )
    otlp_endpoint: str | None = Field(
        default=None,
        validation_alias=AliasChoices("TD3_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="Endpoint that traces are sent to by OTLP over HTTP, such as `http://collector:4318`. Default: "
        "no tracing.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Minimum level of log messages: `DEBUG`, `INFO`, `WARNING` or `ERROR`."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto",
        description="Format of log messages: `console` (coloured text), `json` (one object per line), or `auto` "
        "(`console` on a terminal, otherwise `json`).",
    )

    @property
    def bounds(self) -> Bounds:
        """The limits of a project that has none of its own."""
        return Bounds(
            queued_runs=self.limit_queued_runs,
            stored_bytes=self.limit_stored_bytes,
            uploads=self.limit_uploads,
            log_bytes=self.max_upload_bytes,
            run_steps=self.max_steps,
        )


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: A variable is invalid; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = [
            _one_line(problem)
            for problem in error.errors()
            # A default that is computed from an invalid variable is no problem of its own.
            if problem["type"] != "default_factory_not_called"
        ]
        raise SettingsError("; ".join(problems)) from None


def _one_line(problem: ErrorDetails) -> str:
    """Format as `TD3_PORT='many': reason`, without values that may contain a password."""
    reason = f"expected {expectation(problem)}"
    if isinstance(problem.get("ctx", {}).get("error"), ValueError):  # a validator of ours, which says all
        reason = expectation(problem)
    if not problem["loc"]:
        return reason
    name = str(problem["loc"][0])
    given = f"={problem['input']!r}" if Settings.model_fields[name].repr else ""
    return f"TD3_{name.upper()}{given}: {reason}"
