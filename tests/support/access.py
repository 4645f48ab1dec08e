"""Projects and keys, as the service writes them, and what requests carry."""

from collections.abc import Collection
from datetime import timedelta

from api.access.scopes import ROLES, Scope
from api.db import Database, now
from api.ids import new_id
from api.keys import service
from api.keys.service import NewKey
from api.models import DEFAULT_TENANT, ApiKey, Project


def add_project(database: Database) -> str:
    """Id of a new project."""
    with database.transaction() as session:
        project = Project(id=new_id("proj"), name="Theirs", created_at=now(session))
        session.add(project)
        return project.id


def new_key(
    database: Database,
    scopes: Collection[Scope] = ROLES["member"],
    *,
    project: str = DEFAULT_TENANT,
    lifetime: timedelta = service.LIFETIME,
) -> NewKey:
    """A key of the project."""
    with database.transaction() as session:
        return service.create(session, tenant_id=project, name="test", scopes=scopes, lifetime=lifetime)


def bearing(key: NewKey) -> dict[str, str]:
    """The header of a request with this key."""
    return {"Authorization": f"Bearer {key.secret}"}


def revoke(database: Database, key: NewKey) -> None:
    """End its validity."""
    with database.transaction() as session:
        service.revoke(session, key.row.id, tenant_id=key.row.tenant_id)


def key_row(database: Database, key: NewKey) -> ApiKey:
    """The row as it is now."""
    with database.reading() as session:
        return session.get_one(ApiKey, key.row.id)
