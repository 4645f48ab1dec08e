"""Operations on jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from api import outbox
from api.audit import service as audit
from api.audit.service import Action
from api.datasets import service as datasets
from api.datasets.received import ReceivedLog
from api.datasets.service import StoredLog
from api.db import now, one_at_a_time
from api.errors import (
    AlreadyFinishedError,
    ExpiredError,
    JobNotFinishedError,
    JobNotFoundError,
    JobWithoutSummaryError,
)
from api.idempotency.keys import digest
from api.ids import new_id
from api.limits import service as limits
from api.limits.bounds import Bounds, Usage
from api.models import Dataset, Job, Priority, RunState, SummaryArchive
from api.pages import RowPage
from api.runs import annotations, bulk, events, filters, removal, turns
from api.runs.annotations import RunChange, annotate
from api.runs.bulk import Bulk, BulkOut
from api.runs.cancel import request_cancel
from api.runs.events import EventKind
from api.runs.filters import RunFilter, Sort
from api.runs.pause import request_pause, request_resume
from td3core.config import JobSpec
from td3core.config.sizes import summary_bytes
from td3core.formats import JOB_SPEC
from td3core.interactions import LogStudy
from td3core.version import VERSION


@dataclass(frozen=True, slots=True)
class Accepted:
    """The result of a submission."""

    job: Job
    deduplicated: bool
    """Whether the job existed before."""
    usages: Sequence[Usage] = ()
    """What the project uses of its limits with this job."""


def fingerprint_of(log: ReceivedLog, spec: JobSpec) -> str:
    """Return a hash that identical jobs share. Of the log's name only the suffixes count, which tell the format."""
    suffixes = Path(log.name or "").suffixes[-2:]
    return digest(log.sha256, "".join(suffixes).lower(), spec.model_dump(mode="json"), VERSION)


def accept(
    session: Session,
    log: ReceivedLog,
    spec: JobSpec,
    *,
    tenant_id: str,
    stored: StoredLog,
    study: LogStudy,
    deadline: timedelta | None,
    priority: Priority,
    force: bool,
    bounds: Bounds,
    name: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> Accepted:
    """Queue a job, unless an identical one exists and `force` is not set; that one rises to the class of this.

    With a deadline, only an identical job that has succeeded counts, because an unfinished one may be too late. An
    identical job keeps the name and the labels that it has, which may be somebody else's.

    Args:
        session: The transaction.
        log: The log, as it was received.
        spec: What is asked for.
        tenant_id: Whose job it is.
        stored: Where the log is.
        study: What is known of the log.
        deadline: Time from now within which it has to end.
        priority: Class of the job.
        force: Whether an identical job is no answer.
        bounds: The limits of projects that have none of their own.
        name: Name of the job, for people.
        labels: Its labels.

    Raises:
        LimitReachedError: A limit of the project does not allow another job.
        StorageError: The log was to be shared, but has expired in the meantime.
    """
    fingerprint = fingerprint_of(log, spec)
    if not force:
        known = identical(session, fingerprint, tenant_id=tenant_id, finished=deadline is not None)
        if known is not None:
            turns.raise_priority(known, priority)
            return Accepted(known, deduplicated=True)
    reserved = summary_bytes(spec, items=(study.kept or study.given).items)
    usages = limits.reserve(
        session, tenant_id=tenant_id, defaults=bounds, stored=reserved + (0 if stored.shared else log.size)
    )
    dataset = datasets.create(session, log, tenant_id=tenant_id, stored=stored, study=study)
    job = submit(
        session,
        dataset,
        spec,
        fingerprint=fingerprint,
        deadline=deadline,
        priority=priority,
        reserved=reserved,
        name=name,
        labels=labels,
    )
    return Accepted(job, deduplicated=False, usages=usages)


def check_room(
    session: Session,
    log: ReceivedLog,
    spec: JobSpec,
    *,
    tenant_id: str,
    deadline: timedelta | None,
    force: bool,
    bounds: Bounds,
) -> None:
    """Refuse a job for which there is no room before its log is read and stored; `accept` has the last word.

    Raises:
        LimitReachedError: A limit of the project does not allow another job.
    """
    fingerprint = fingerprint_of(log, spec)
    if force or not identical(session, fingerprint, tenant_id=tenant_id, finished=deadline is not None):
        stored = 0 if datasets.kept_key(session, log, tenant_id=tenant_id) else log.size
        limits.check(session, tenant_id=tenant_id, defaults=bounds, stored=stored)


def identical(session: Session, fingerprint: str, *, tenant_id: str, finished: bool) -> Job | None:
    """Return a job with this fingerprint that has a summary or, unless `finished` is set, is queued or running.

    A lock is held until the transaction ends, so that of many identical concurrent submissions only one creates a job.
    """
    one_at_a_time(session, f"{tenant_id} {fingerprint}")
    succeeded = Job.state == RunState.SUCCEEDED
    on_its_way = and_(Job.state.in_((RunState.QUEUED, RunState.RUNNING)), Job.deadline_at.is_(None))
    with_summary = and_(succeeded, Job.summary.has(SummaryArchive.expired_at.is_(None)))
    return session.scalar(
        select(Job)
        .where(Job.tenant_id == tenant_id, Job.fingerprint == fingerprint)
        .where(with_summary if finished else or_(with_summary, on_its_way), Job.deleted_at.is_(None))
        .where(Job.dataset.has(Dataset.expired_at.is_(None)))
        .order_by(succeeded.desc(), Job.id.desc())
        .limit(1)
        .with_for_update(read=True, of=Job)  # nobody deletes it meanwhile
    )


def submit(
    session: Session,
    dataset: Dataset,
    spec: JobSpec,
    *,
    fingerprint: str | None = None,
    deadline: timedelta | None = None,
    priority: Priority = Priority.NORMAL,
    reserved: int | None = None,
    name: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> Job:
    """Queue a job on the dataset; it fails if it has not ended within `deadline` from now."""
    at = now(session)
    job = Job(
        id=new_id("job"),
        tenant_id=dataset.tenant_id,
        created_at=at,
        deadline_at=None if deadline is None else at + deadline,
        dataset=dataset,
        fingerprint=fingerprint,
        priority=priority,
        reserved_bytes=reserved,
        spec=spec.model_dump(mode="json"),
        spec_format=JOB_SPEC.current,
    )
    session.add(job)
    annotate(session, job, name=name, labels=labels or {})
    outbox.add(session, Job, job.id)
    session.flush()
    events.record(session, Job, job.id, EventKind.SUBMITTED)
    if dataset.reading is not None and dataset.reading["whole"]:
        events.record(session, Job, job.id, EventKind.READING, **dataset.reading)
    audit.record(session, Action.JOB_SUBMITTED, job.id, tenant_id=job.tenant_id)
    return job


def get(session: Session, job_id: str, *, tenant_id: str) -> Job:
    """Find a job of this tenant.

    Raises:
        JobNotFoundError: It does not exist, or is deleted.
    """
    job = _find(session, job_id, tenant_id=tenant_id)
    if job.deleted_at is not None:
        raise JobNotFoundError(f"The job {job_id} is deleted. For a time, it can be restored.")
    return job


def _find(session: Session, job_id: str, *, tenant_id: str, lock: bool = False) -> Job:
    """Find a job that may be deleted, and lock its row if it is to be changed."""
    query = select(Job).where(Job.id == job_id, Job.tenant_id == tenant_id)
    job = session.scalar(query.with_for_update(of=Job) if lock else query)
    if job is None:
        raise JobNotFoundError(f"The job {job_id} does not exist.")
    return job


def page(
    session: Session,
    wanted: RunFilter,
    sort: Sort,
    *,
    tenant_id: str,
    deleted: bool = False,
    limit: int,
    cursor: str | None,
) -> RowPage[Job]:
    """List the jobs of this tenant that are wanted.

    Raises:
        InvalidCursorError: The cursor is invalid, or that of another list.
    """
    return filters.page(
        session, Job, wanted, sort, tenant_id=tenant_id, deleted=deleted, limit=limit, cursor=cursor
    )


def change(session: Session, job_id: str, wanted: RunChange, *, tenant_id: str) -> Job:
    """Change name, labels and pin of a job, whatever its state. Repeating this changes nothing.

    Raises:
        JobNotFoundError: It does not exist.
        InvalidRequestError: It would have too many labels.
    """
    _find(session, job_id, tenant_id=tenant_id, lock=True)
    job = get(session, job_id, tenant_id=tenant_id)
    annotations.change(session, job, wanted, action=Action.JOB_CHANGED)
    return job


def remove(session: Session, job_id: str, *, tenant_id: str) -> tuple[Job, int]:
    """Delete a job that has ended, with its evaluations; return it, and the bytes that will be free once it is gone.

    Repeating this changes nothing.

    Raises:
        JobNotFoundError: It does not exist.
        NotEndedError: It, or an evaluation of it, has not ended.
        PinnedError: It, or an evaluation of it, is pinned.
    """
    job = _find(session, job_id, tenant_id=tenant_id, lock=True)
    changed = removal.hide(session, job)
    freed = removal.freed_bytes(session, [job_id])
    if changed:
        audit.record(session, Action.JOB_DELETED, job_id, tenant_id=tenant_id, after={"frees_bytes": freed})
    return job, freed


def cancel_all(session: Session, asked: Bulk, *, tenant_id: str) -> BulkOut:
    """Cancel the jobs that a filter finds and that have not ended, or only say how many there are.

    Raises:
        InvalidRequestError: The filter is empty.
        CountChangedError: There are more or fewer than expected.
    """
    possible = bulk.cancellable(Job)
    if asked.expected is None:
        found = bulk.count(session, Job, asked, possible, tenant_id=tenant_id)
        return BulkOut(count=found, done=False, most=bulk.MOST)
    chosen = bulk.chosen(session, Job, asked, possible, tenant_id=tenant_id)
    for job in chosen:
        reached = request_cancel(session, Job, job.id, tenant_id=tenant_id)
        _record(session, Action.JOB_CANCELLED, job.id, reached, tenant_id=tenant_id)
    return BulkOut(count=len(chosen), done=True, most=bulk.MOST)


def remove_all(session: Session, asked: Bulk, *, tenant_id: str) -> BulkOut:
    """Delete the jobs that a filter finds and that can be deleted, or only say how many there are.

    Raises:
        InvalidRequestError: The filter is empty.
        CountChangedError: There are more or fewer than expected.
    """
    possible = bulk.deletable()
    if asked.expected is None:
        found = bulk.count(session, Job, asked, possible, tenant_id=tenant_id)
        return BulkOut(count=found, done=False, most=bulk.MOST)
    chosen = bulk.chosen(session, Job, asked, possible, tenant_id=tenant_id)
    for job in chosen:
        removal.hide(session, job)
        audit.record(session, Action.JOB_DELETED, job.id, tenant_id=tenant_id)
    freed = removal.freed_bytes(session, [job.id for job in chosen])
    return BulkOut(count=len(chosen), done=True, most=bulk.MOST, frees_bytes=freed)


def restore(session: Session, job_id: str, *, tenant_id: str) -> Job:
    """Restore a deleted job, with the evaluations that were deleted with it. One that is not deleted is not changed.

    Raises:
        JobNotFoundError: It does not exist, or no longer.
    """
    job = _find(session, job_id, tenant_id=tenant_id, lock=True)
    if removal.restore(session, job):
        audit.record(session, Action.JOB_RESTORED, job_id, tenant_id=tenant_id)
    return job


def pause(session: Session, job_id: str, *, tenant_id: str) -> Job:
    """Pause a job. Repeating this changes nothing.

    Raises:
        JobNotFoundError: It does not exist.
        AlreadyFinishedError: It has ended, or is being cancelled.
    """
    asked = request_pause(session, Job, job_id, tenant_id=tenant_id)
    _record(session, Action.JOB_PAUSED, job_id, asked, tenant_id=tenant_id)
    job = get(session, job_id, tenant_id=tenant_id)
    if asked is None and job.state not in (RunState.PAUSING, RunState.PAUSED):
        raise AlreadyFinishedError(f"The job {job_id} is {job.state} and can no longer be paused.")
    return job


def resume(session: Session, job_id: str, *, tenant_id: str) -> Job:
    """Resume a paused job. One that is queued or running is not changed.

    Raises:
        JobNotFoundError: It does not exist.
        AlreadyFinishedError: It has ended, or is being cancelled.
    """
    asked = request_resume(session, Job, job_id, tenant_id=tenant_id)
    _record(session, Action.JOB_RESUMED, job_id, asked, tenant_id=tenant_id)
    job = get(session, job_id, tenant_id=tenant_id)
    if asked is None and job.state not in (RunState.QUEUED, RunState.RUNNING):
        raise AlreadyFinishedError(f"The job {job_id} is {job.state} and can no longer be resumed.")
    return job


def cancel(session: Session, job_id: str, *, tenant_id: str) -> Job:
    """Cancel a job. Repeating this changes nothing.

    Raises:
        JobNotFoundError: It does not exist.
        AlreadyFinishedError: It has succeeded or failed.
    """
    asked = request_cancel(session, Job, job_id, tenant_id=tenant_id)
    _record(session, Action.JOB_CANCELLED, job_id, asked, tenant_id=tenant_id)
    job = get(session, job_id, tenant_id=tenant_id)
    if asked is None and job.state not in (RunState.CANCELLING, RunState.CANCELLED):
        raise AlreadyFinishedError(f"The job {job_id} has {job.state} and can no longer be cancelled.")
    return job


def _record(
    session: Session, action: Action, job_id: str, reached: RunState | None, *, tenant_id: str
) -> None:
    """Record the change, unless there was none."""
    if reached is not None:
        audit.record(session, action, job_id, tenant_id=tenant_id, after={"state": reached})


def summary_of(session: Session, job_id: str, *, tenant_id: str) -> SummaryArchive:
    """Return the archive with the summary of a job.

    Raises:
        JobNotFoundError: The job does not exist.
        JobNotFinishedError: The job has not ended yet.
        JobWithoutSummaryError: The job ended without a summary.
        ExpiredError: The summary has expired.
    """
    job = get(session, job_id, tenant_id=tenant_id)
    if job.summary is not None:
        if job.summary.expired_at is not None:
            raise ExpiredError(f"The summary of the job {job_id} has expired.")
        return job.summary
    if job.state.ended:
        raise JobWithoutSummaryError(f"The job {job_id} has {job.state} and has no summary.")
    raise JobNotFinishedError(
        f"The job {job_id} is {job.state}; its summary will be available when it has succeeded."
    )
