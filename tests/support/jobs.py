"""Jobs written as the service writes them, and what the database holds of them."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api import outbox
from api.db import Database, now
from api.ids import new_id
from api.models import DEFAULT_TENANT, Dataset, Evaluation, Job, OutboxMessage, Priority, Project
from td3core.config import JobSpec


def add_job(
    session: Session, *, tenant_id: str = DEFAULT_TENANT, priority: Priority = Priority.NORMAL
) -> Job:
    """Write a queued job, its dataset and its message."""
    created_at = now(session)
    dataset = Dataset(
        id=new_id("ds"),
        tenant_id=tenant_id,
        created_at=created_at,
        name="log.csv",
        bytes=3,
        sha256="0" * 64,
        storage_key="logs/0",
    )
    job = Job(
        id=new_id("job"),
        tenant_id=tenant_id,
        created_at=created_at,
        dataset=dataset,
        priority=priority,
        spec=JobSpec.model_validate({}).model_dump(mode="json"),
    )
    session.add(job)
    outbox.add(session, Job, job.id)
    return job


def add_project(session: Session, project_id: str, *, weight: float = 1.0) -> str:
    """Write a project, and return its id."""
    session.add(Project(id=project_id, name=project_id, weight=weight, created_at=now(session)))
    return project_id


def job(database: Database, run_id: str) -> Job:
    """The row as it is now."""
    with database.reading() as session:
        return session.get_one(Job, run_id)


def outbox_ids(database: Database) -> list[str]:
    """Ids of the runs whose messages wait to be sent."""
    with database.reading() as session:
        return list(session.scalars(select(OutboxMessage.run_id)))


def count(database: Database, model: type[Job] | type[Evaluation]) -> int:
    """How many rows there are."""
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0
