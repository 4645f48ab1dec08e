"""Operations on projects."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.audit import service as audit
from api.audit.service import Action
from api.db import now
from api.errors import ProjectNotFoundError
from api.ids import new_id
from api.models import Project
from api.pages import RowPage, page_of


def create(session: Session, name: str) -> Project:
    """Create a project."""
    project = Project(id=new_id("proj"), name=name, created_at=now(session))
    session.add(project)
    session.flush()
    audit.record(session, Action.PROJECT_CREATED, project.id, tenant_id=project.id, after={"name": name})
    return project


def get(session: Session, project_id: str) -> Project:
    """Find a project.

    Raises:
        ProjectNotFoundError: It does not exist.
    """
    project = session.get(Project, project_id)
    if project is None:
        raise ProjectNotFoundError(f"The project {project_id} does not exist.")
    return project


def page(session: Session, *, limit: int, cursor: str | None) -> RowPage[Project]:
    """List all projects, newest first."""
    return page_of(session, select(Project), Project, limit=limit, cursor=cursor)
