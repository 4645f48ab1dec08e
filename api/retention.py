"""Expiry of logs and summaries after the last run that used them, and finding unreferenced objects.

What a pinned run uses does not expire. Expiry is recorded in the rows, and the keeper then deletes the objects that no
unexpired row refers to. A transaction that uses a log or a summary again first pins its row with a shared lock, so that
it cannot expire meanwhile.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, or_, select, update
from sqlalchemy.orm import Session

from api.db import now
from api.errors import ExpiredError, JobNotFoundError
from api.models import RUN_KINDS, Base, Dataset, Job, Run, SummaryArchive

BATCH = 500


def expire(session: Session, model: type[Dataset | SummaryArchive], *, before: datetime) -> int:
    """Mark logs or summaries as expired that no run has used since `before`, at most `BATCH`; return their number.

    The condition is checked again after the rows are locked, so that a run that was created meanwhile is seen.
    """
    idle = (model.expired_at.is_(None), model.created_at < before, ~_needed(model, before))
    key = Dataset.id if model is Dataset else SummaryArchive.job_id
    locked = session.scalars(select(key).where(*idle).limit(BATCH).with_for_update(skip_locked=True)).all()
    expired = session.scalars(
        update(model)
        .where(key.in_(locked), *idle)
        .values(expired_at=now(session))
        .returning(key)
        .execution_options(synchronize_session=False)
    )
    return len(expired.all())


def _needed(model: type[Dataset | SummaryArchive], before: datetime) -> ColumnElement[bool]:
    """Whether a run that uses it has not ended, ended after `before`, or is pinned."""
    own = Job.dataset_id == Dataset.id if model is Dataset else Job.id == SummaryArchive.job_id

    def recent(run: type[Run]) -> ColumnElement[bool]:
        return or_(run.finished_at.is_(None), run.finished_at >= before, run.pinned)

    return or_(
        *(exists().where(own, getattr(kind, kind.job_column) == Job.id, recent(kind)) for kind in RUN_KINDS)
    )


def pin(session: Session, job: Job) -> None:
    """Prevent the log and the summary of the job from expiring, and the job from being deleted, until this transaction
    ends.

    Raises:
        JobNotFoundError: The job was deleted in the meantime.
        ExpiredError: One of them has expired already.
    """
    kept = select(Job.id).where(Job.id == job.id, Job.deleted_at.is_(None)).with_for_update(read=True)
    if session.scalar(kept) is None:
        raise JobNotFoundError(f"The job {job.id} does not exist.")
    for what, query in (
        ("log", select(Dataset.expired_at).where(Dataset.id == job.dataset_id)),
        ("summary", select(SummaryArchive.expired_at).where(SummaryArchive.job_id == job.id)),
    ):
        if session.scalars(query.with_for_update(read=True)).one() is not None:
            raise ExpiredError(f"The {what} of the job {job.id} has expired.")


def referenced(session: Session, keys: Sequence[str]) -> set[str]:
    """Return those of the keys that an unexpired row of any table refers to."""
    found: set[str] = set()
    for table in Base.metadata.tables.values():
        if "storage_key" in table.c:
            query = select(table.c.storage_key).where(table.c.storage_key.in_(keys))
            if "expired_at" in table.c:
                query = query.where(table.c.expired_at.is_(None))
            found.update(session.scalars(query))
    return found
