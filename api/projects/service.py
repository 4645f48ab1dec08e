"""Operations on projects."""

from sqlalchemy.orm import Session

from api.errors import ProjectNotFoundError
from api.models import Project


def get(session: Session, project_id: str) -> Project:
    """Find a project.

    Raises:
        ProjectNotFoundError: It does not exist.
    """
    project = session.get(Project, project_id)
    if project is None:
        raise ProjectNotFoundError(f"The project {project_id} does not exist.")
    return project
