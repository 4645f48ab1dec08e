"""How the API serves, and how much it takes of a request."""

from typing import Literal

from pydantic import ByteSize, Field
from pydantic_settings import BaseSettings

from api.errors import SettingsError
from td3core.config.ceilings import Ceilings

EVERY_ADDRESS = ("", "0.0.0.0", "::")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ServerSettings(BaseSettings):
    """Settings of the API."""

    host: str = Field(
        default="127.0.0.1",
        description="Address that the API and the metrics server listen on. By default they are reachable only from "
        "this machine.",
    )
    port: int = Field(
        default=8000, ge=0, le=65535, description="Port that the API listens on; 0 chooses a free one."
    )
    allowed_hosts: str | None = Field(
        default=None,
        description="Names and addresses by which clients reach the API, separated by commas; requests whose `Host` "
        "is another are rejected with status 421. `*` allows any. Default: those of loopback, and `TD3_HOST`.",
    )
    insecure: bool = Field(
        default=False,
        description="Serve the API on an address that other machines reach without access control: required for any "
        "`TD3_HOST` but those of loopback, unless `TD3_ACCESS_CONTROL` is on.",
    )
    access_control: Literal["off", "keys"] = Field(
        default="off",
        description="Who may use the API: `off` (whoever reaches it may do anything), or `keys` (a request needs an "
        "API key; `python -m api.keys` creates the first one). Default of `python -m embedded`: `keys`, with a key for "
        "its user.",
    )
    first_admin_sha256: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="SHA-256 of an API key that `python -m api.keys make` has made. While `TD3_ACCESS_CONTROL` is on, "
        "an API process that starts and does not find this key stores it, with the scope `platform`, for 90 days.",
    )
    high_priority: Literal["everybody", "admin", "platform"] = Field(
        default="admin",
        description="Who may submit runs of the class `high`: `everybody` who may submit runs, or whoever has the "
        "scope `admin` or `platform` as well.",
    )
    max_connections: int = Field(
        default=1000,
        ge=10,
        description="Maximum number of connections at once, with streams of events. A further one takes the place of "
        "the one that has been idle longest; if there is none, it is answered with status 503.",
    )
    max_uploads: int = Field(
        default=64,
        ge=1,
        description="Maximum number of uploads at once; another one is answered with status 503.",
    )
    max_upload_bytes: ByteSize = Field(
        default=ByteSize(8 * 2**30),
        gt=0,
        description="Maximum size of an uploaded log, as sent; a larger one is rejected with status 413.",
    )
    validate_whole_bytes: ByteSize = Field(
        default=ByteSize(256 * 2**20),
        ge=0,
        description="Logs up to this size, both as sent and in memory, are validated completely before the "
        "response; of larger ones, only the beginning is.",
    )
    validate_head_bytes: ByteSize = Field(
        default=ByteSize(4 * 2**20),
        gt=0,
        description="How much of a larger log is validated before the response.",
    )
    validation_memory_bytes: ByteSize = Field(
        default=ByteSize(2 * 2**30),
        ge=256 * 2**20,
        description="Memory limit of a validation, which has a process of its own (RLIMIT_DATA). Of a log that needs "
        "more, only the beginning is validated before the response; a log whose beginning needs more is rejected.",
    )
    validation_seconds: float = Field(
        default=60,
        gt=0,
        le=3600,
        description="Time limit of a validation in seconds, with the same consequences as the memory limit.",
    )
    max_columns: int = Field(
        default=1000,
        ge=2,
        description="Maximum number of columns of a log; the same for API and workers.",
    )
    max_trainings: int = Field(
        default=Ceilings().trainings,
        ge=1,
        description="Maximum number of learners that the spec of an evaluation may ask for; more is rejected with "
        "status 422, as with the next two.",
    )
    max_steps: int = Field(
        default=Ceilings().steps,
        ge=1,
        description="Maximum number of training steps on a summary, of all learners, that a spec may come to.",
    )
    max_numbers: int = Field(
        default=Ceilings().numbers,
        ge=1,
        description="Maximum number of numbers that an outer step of a job may hold in memory, estimated from its "
        "spec.",
    )
    idempotency_seconds: float = Field(
        default=86400,
        gt=0,
        description="Seconds for which a request with the same `Idempotency-Key` gets the same response again.",
    )

    @property
    def hosts(self) -> frozenset[str]:
        """Names by which clients may reach the API, in lower case."""
        if self.allowed_hosts is not None:
            return frozenset(name.strip().strip("[]").lower() for name in self.allowed_hosts.split(","))
        return frozenset({*LOOPBACK, self.host.lower()} - set(EVERY_ADDRESS))

    def check_exposure(self) -> None:
        """Check that the API is served to other machines with access control only, unless that is wanted.

        Raises:
            SettingsError: It is served to others.
        """
        local = self.host in LOOPBACK or self.host.startswith("127.")
        if not (local or self.insecure or self.access_control != "off"):
            raise SettingsError(
                f"TD3_HOST={self.host!r}: the API has no access control, and other machines could reach it there; "
                "expected 127.0.0.1, or TD3_ACCESS_CONTROL=keys, or TD3_INSECURE=1 if a gateway or the network keeps "
                "others away"
            )

    @property
    def ceilings(self) -> Ceilings:
        """What new specs may come to at most."""
        return Ceilings(trainings=self.max_trainings, steps=self.max_steps, numbers=self.max_numbers)
