"""What a project may use, unless it has limits of its own."""

from pydantic import ByteSize, Field
from pydantic_settings import BaseSettings


class LimitSettings(BaseSettings):
    """Limits of projects that have none of their own."""

    limit_queued_runs: int | None = Field(
        default=None,
        ge=0,
        description="How many jobs and evaluations of a project may wait or be paused, unless it has a limit of its "
        "own; another one is answered with status 429, as with the next two. Default: unlimited.",
    )
    limit_stored_bytes: ByteSize | None = Field(
        default=None,
        ge=0,
        description="How much a project may store, in logs and summaries, unless it has a limit of its own. Default: "
        "unlimited.",
    )
    limit_uploads: int | None = Field(
        default=None,
        ge=1,
        description="How many logs a project may send at once, to all API processes together, unless it has a limit "
        "of its own. Default: unlimited, but for `TD3_MAX_UPLOADS` of each process.",
    )
