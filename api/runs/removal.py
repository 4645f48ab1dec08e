"""Deleting runs that have ended: hidden at once, restorable for a time, and then gone with all that hangs on them.

A deleted run stays as it is, with its log and its summary, until the keeper purges it. The evaluations of a job are
deleted with it, at the same moment, by which they are known when it is restored.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Select, and_, delete, exists, func, select, update
from sqlalchemy.orm import Session, aliased, lazyload

from api.db import now
from api.errors import JobDeletedError, NotEndedError, PinnedError
from api.models import (
    Checkpoint,
    Dataset,
    Evaluation,
    Event,
    Job,
    Label,
    Run,
    SummaryArchive,
    Webhook,
)

BATCH = 100
"""Maximum number of runs that one transaction purges; a run may have thousands of events."""


def hide(session: Session, run: Run) -> bool:
    """Delete a run, whose row is locked, and the evaluations of a job; return whether it was not deleted before.

    Raises:
        NotEndedError: It has not ended, or an evaluation of it has not.
        PinnedError: It is pinned, or an evaluation of it is.
    """
    if run.deleted_at is not None:
        return False
    also = _lock_evaluations(session, run)
    for one in (run, *also):
        if not one.state.ended:
            raise NotEndedError(
                f"The {one.kind} {one.id} is {one.state}; only what has ended can be deleted."
            )
        if one.pinned:
            raise PinnedError(f"The {one.kind} {one.id} is pinned; unpin it first.")
    at = now(session)
    for one in (run, *also):
        one.deleted_at = at
    session.flush()
    return True


def restore(session: Session, run: Run) -> bool:
    """Restore a run, whose row is locked, and what was deleted with it; return whether it was deleted.

    The job of an evaluation is locked as well: before the evaluation, as by `hide`.

    Raises:
        JobDeletedError: It is an evaluation of a job that is deleted.
    """
    at = run.deleted_at
    if at is None:
        return False
    if isinstance(run, Evaluation):
        if session.scalar(select(Job.deleted_at).where(Job.id == run.job_id)) is not None:
            raise JobDeletedError(f"The job {run.job_id} of the evaluation is deleted; restore the job.")
    else:
        session.execute(
            update(Evaluation)
            .where(Evaluation.job_id == run.id, Evaluation.deleted_at == at)
            .values(deleted_at=None)
            .execution_options(synchronize_session=False)
        )
    run.deleted_at = None
    session.flush()
    return True


def _lock_evaluations(session: Session, run: Run) -> Sequence[Evaluation]:
    """The evaluations of a job that are not deleted yet."""
    if not isinstance(run, Job):
        return ()
    return session.scalars(
        select(Evaluation)
        .where(Evaluation.job_id == run.id, Evaluation.deleted_at.is_(None))
        .order_by(Evaluation.id)
        .options(lazyload("*"))
        .with_for_update()
    ).all()


def freed_bytes(session: Session, job_ids: Collection[str]) -> int:
    """Bytes in storage that go with these jobs: their summaries, and the logs that no other job has that stays."""
    summaries = session.scalar(
        select(func.sum(SummaryArchive.bytes)).where(
            SummaryArchive.job_id.in_(job_ids), SummaryArchive.expired_at.is_(None)
        )
    )
    other, user = aliased(Dataset), aliased(Job)
    shared = exists().where(
        other.storage_key == Dataset.storage_key,
        other.expired_at.is_(None),
        user.dataset_id == other.id,
        user.deleted_at.is_(None),
        user.id.not_in(job_ids),
    )
    logs = (
        select(func.max(Dataset.bytes).label("bytes"))
        .join(Job, Job.dataset_id == Dataset.id)
        .where(Job.id.in_(job_ids), Dataset.expired_at.is_(None), ~shared)
        .group_by(Dataset.storage_key)
        .subquery()
    )
    # PostgreSQL sums numbers of 64 bits as decimals.
    return int(summaries or 0) + int(session.scalar(select(func.sum(logs.c.bytes))) or 0)


def purge(session: Session, *, before: datetime) -> tuple[int, list[str]]:
    """Remove the rows of runs that were deleted before this time, at most `BATCH`.

    Returns:
        The number of runs, and the keys in storage that may now be needed by nothing.
    """
    jobs = _purged(session, Job, before)
    own = _purged(session, Evaluation, before)
    of_jobs = session.scalars(select(Evaluation.id).where(Evaluation.job_id.in_(jobs))).all()
    runs = [*jobs, *dict.fromkeys((*own, *of_jobs))]
    if not runs:
        return 0, []
    dataset_ids = session.scalars(select(Job.dataset_id).where(Job.id.in_(jobs))).all()
    used = exists().where(Job.dataset_id == Dataset.id)
    keys: list[str] = []
    for table, rows in (
        (Event, Event.run_id.in_(runs)),
        (Label, Label.run_id.in_(runs)),
        (Checkpoint, Checkpoint.run_id.in_(runs)),
        (Webhook, Webhook.job_id.in_(jobs)),
        (Evaluation, Evaluation.id.in_(runs)),
        (SummaryArchive, SummaryArchive.job_id.in_(jobs)),
        (Job, Job.id.in_(jobs)),
        (Dataset, and_(Dataset.id.in_(dataset_ids), ~used)),
    ):
        if table in (Checkpoint, SummaryArchive, Dataset):
            keys += session.scalars(select(table.storage_key).where(rows))
        session.execute(delete(table).where(rows).execution_options(synchronize_session=False))
    return len(runs), list(dict.fromkeys(keys))


def _purged(session: Session, model: type[Run], before: datetime) -> list[str]:
    """Lock the runs that are to go; what is being restored stays."""
    due: Select[str] = select(model.id).where(model.deleted_at < before).limit(BATCH)
    return list(session.scalars(due.with_for_update(skip_locked=True)))
