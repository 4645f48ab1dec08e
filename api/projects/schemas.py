"""Request and response models of projects."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.limits.bounds import known
from api.limits.schemas import ProjectLimits
from api.models import Project

PROJECT_EXAMPLE = {
    "id": "proj_0199b2f0c3d47c7e9c3d7d3b8c9f1a2b",
    "name": "Recommendations",
    "weight": 1.0,
    "limits": {
        "queued_runs": 20,
        "stored_bytes": None,
        "uploads": None,
        "log_bytes": None,
        "run_steps": None,
    },
    "created_at": "2026-01-15T09:30:00Z",
}


MOST_WEIGHT = 1000.0

Name = Annotated[str, Field(min_length=1, max_length=200)]
Weight = Annotated[float, Field(ge=1 / MOST_WEIGHT, le=MOST_WEIGHT, allow_inf_nan=False)]
_WEIGHT = "Share of the workers relative to those of other projects, while runs of several wait."


class ProjectIn(BaseModel):
    """A project to create."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name = Field(description="Name of the project, for people.")
    weight: Weight = Field(default=1.0, description=_WEIGHT)


class ProjectChange(BaseModel):
    """What to change of a project; what is null or left out stays, but for single limits."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name | None = Field(default=None, description="Name of the project, for people.")
    weight: Weight | None = Field(default=None, description=_WEIGHT)
    limits: ProjectLimits | None = Field(
        default=None,
        description="Its limits; one that is left out stays, one that is null becomes that of the service.",
    )


class ProjectOut(BaseModel):
    """A project."""

    id: str = Field(description="Id of the project.")
    name: str = Field(description="Name of the project, for people.")
    weight: float = Field(description=_WEIGHT)
    limits: ProjectLimits = Field(description="Its own limits.")
    created_at: datetime = Field(description="When the project was created.")

    @classmethod
    def of(cls, project: Project) -> "ProjectOut":
        """Build from a database row."""
        return cls(
            id=project.id,
            name=project.name,
            weight=project.weight,
            limits=ProjectLimits.model_validate(known(project.limits or {})),
            created_at=project.created_at,
        )
