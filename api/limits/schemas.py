"""Request and response models of limits."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.limits.bounds import Limit, Usage

MOST = 2**53 - 1  # what JSON numbers carry exactly everywhere

Amount = Annotated[int, Field(ge=0, le=MOST)]
Size = Annotated[int, Field(ge=1, le=MOST)]


class ProjectLimits(BaseModel):
    """Limits of a project; null: that of the service."""

    model_config = ConfigDict(extra="forbid", strict=True)

    queued_runs: Amount | None = Field(
        default=None, description="How many jobs and evaluations may wait or be paused."
    )
    stored_bytes: Amount | None = Field(
        default=None,
        description="How much may be stored: logs, summaries, and what unfinished jobs are expected to add.",
    )
    uploads: Size | None = Field(default=None, description="How many logs may be sent at once.")
    log_bytes: Size | None = Field(
        default=None, description="Maximum size of a log, as sent. It cannot exceed that of the service."
    )
    run_steps: Size | None = Field(
        default=None,
        description="Maximum number of training steps on a summary that a spec may come to. It cannot exceed that of "
        "the service.",
    )


class LimitUse(BaseModel):
    """A limit, and how much of it is used."""

    name: Limit = Field(description="What is limited.")
    limit: int | None = Field(description="How much the project may use; null: any amount.")
    used: int | None = Field(
        description="How much it uses; null of a limit that each upload or run has for itself."
    )
    left: int | None = Field(description="How much more it may use; null: any amount.")

    @classmethod
    def of(cls, usage: Usage) -> "LimitUse":
        """Build from what was counted."""
        return cls(name=usage.name, limit=usage.limit, used=usage.used, left=usage.left)


LIMIT_EXAMPLE = {"name": Limit.QUEUED_RUNS, "limit": 20, "used": 17, "left": 3}
