"""Operations on projects."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.audit import service as audit
from api.audit.service import Action
from api.db import now
from api.errors import ProjectNotFoundError
from api.ids import new_id
from api.models import Project
from api.pages import RowPage, page_of


def create(session: Session, name: str, *, weight: float = 1.0) -> Project:
    """Create a project."""
    project = Project(id=new_id("proj"), name=name, weight=weight, created_at=now(session))
    session.add(project)
    session.flush()
    audit.record(session, Action.PROJECT_CREATED, project.id, tenant_id=project.id, after=_fields(project))
    return project


def change(
    session: Session,
    project_id: str,
    *,
    name: str | None = None,
    weight: float | None = None,
    limits: Mapping[str, int | None] | None = None,
) -> Project:
    """Change what is given; of the limits, None stands for that of the service.

    Raises:
        ProjectNotFoundError: It does not exist.
    """
    project = get(session, project_id, lock=True)
    before = _fields(project)
    if name is not None:
        project.name = name
    if weight is not None:
        project.weight = weight
    own = {**(project.limits or {}), **(limits or {})}
    project.limits = {name: limit for name, limit in own.items() if limit is not None} or None
    if (after := _fields(project)) != before:
        audit.record(
            session, Action.PROJECT_CHANGED, project_id, tenant_id=project_id, before=before, after=after
        )
    return project


def get(session: Session, project_id: str, *, lock: bool = False) -> Project:
    """Find a project; `lock` it until the transaction ends.

    Raises:
        ProjectNotFoundError: It does not exist.
    """
    project = session.get(Project, project_id, with_for_update=lock)
    if project is None:
        raise ProjectNotFoundError(f"The project {project_id} does not exist.")
    return project


def page(session: Session, *, limit: int, cursor: str | None) -> RowPage[Project]:
    """List all projects, newest first."""
    return page_of(session, select(Project), Project, limit=limit, cursor=cursor)


def _fields(project: Project) -> dict[str, Any]:
    """What the audit log has of a project."""
    return {"name": project.name, "weight": project.weight, "limits": project.limits or {}}
