"""Request and response models of projects."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from api.models import Project

PROJECT_EXAMPLE = {
    "id": "proj_0199b2f0c3d47c7e9c3d7d3b8c9f1a2b",
    "name": "Recommendations",
    "created_at": "2026-01-15T09:30:00Z",
}


class ProjectIn(BaseModel):
    """A project to create."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=200, description="Name of the project, for people.")


class ProjectOut(BaseModel):
    """A project."""

    id: str = Field(description="Id of the project.")
    name: str = Field(description="Name of the project, for people.")
    created_at: datetime = Field(description="When the project was created.")

    @classmethod
    def of(cls, project: Project) -> "ProjectOut":
        """Build from a database row."""
        return cls(id=project.id, name=project.name, created_at=project.created_at)
