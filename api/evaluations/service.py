"""Operations on evaluations."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from api import outbox, retention
from api.audit import service as audit
from api.audit.service import Action
from api.db import now
from api.errors import AlreadyFinishedError, EvaluationNotFoundError
from api.ids import new_id
from api.jobs import service as jobs
from api.models import Evaluation, Job, Priority, RunState
from api.pages import RowPage
from api.runs import annotations, events, filters, removal
from api.runs.annotations import RunChange, annotate
from api.runs.cancel import request_cancel
from api.runs.events import EventKind
from api.runs.filters import RunFilter, Sort
from td3core.config import EvaluationSpec
from td3core.formats import EVALUATION_SPEC


def submit(
    session: Session,
    job_id: str,
    spec: EvaluationSpec,
    *,
    tenant_id: str,
    priority: Priority = Priority.NORMAL,
    name: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> Evaluation:
    """Queue an evaluation of the summary of a job.

    Raises:
        JobNotFoundError, JobNotFinishedError, JobWithoutSummaryError: There is no summary to evaluate.
        ExpiredError: The log or the summary has expired.
    """
    summary = jobs.summary_of(session, job_id, tenant_id=tenant_id)
    retention.pin(session, jobs.get(session, job_id, tenant_id=tenant_id))
    evaluation = Evaluation(
        id=new_id("eval"),
        tenant_id=tenant_id,
        created_at=now(session),
        job_id=summary.job_id,
        priority=priority,
        spec=spec.model_dump(mode="json"),
        spec_format=EVALUATION_SPEC.current,
    )
    session.add(evaluation)
    annotate(session, evaluation, name=name, labels=labels or {})
    outbox.add(session, Evaluation, evaluation.id)
    session.flush()
    events.record(session, Evaluation, evaluation.id, EventKind.SUBMITTED)
    audit.record(
        session,
        Action.EVALUATION_SUBMITTED,
        evaluation.id,
        tenant_id=tenant_id,
        after={"job_id": summary.job_id},
    )
    return evaluation


def get(session: Session, evaluation_id: str, *, tenant_id: str) -> Evaluation:
    """Find an evaluation of this tenant.

    Raises:
        EvaluationNotFoundError: It does not exist, or is deleted.
    """
    evaluation = _find(session, evaluation_id, tenant_id=tenant_id)
    if evaluation.deleted_at is not None:
        raise EvaluationNotFoundError(
            f"The evaluation {evaluation_id} is deleted. For a time, it can be restored."
        )
    return evaluation


def _find(session: Session, evaluation_id: str, *, tenant_id: str, lock: bool = False) -> Evaluation:
    """Find an evaluation that may be deleted, and lock its row if it is to be changed."""
    query = select(Evaluation).where(Evaluation.id == evaluation_id, Evaluation.tenant_id == tenant_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    evaluation = session.scalar(query)
    if evaluation is None:
        raise EvaluationNotFoundError(f"The evaluation {evaluation_id} does not exist.")
    return evaluation


def page(
    session: Session,
    wanted: RunFilter,
    sort: Sort,
    *,
    tenant_id: str,
    job_id: str | None = None,
    deleted: bool = False,
    limit: int,
    cursor: str | None,
) -> RowPage[Evaluation]:
    """List the evaluations of this tenant that are wanted: of all jobs, or of one.

    Raises:
        JobNotFoundError: The job does not exist.
        InvalidCursorError: The cursor is invalid, or that of another list.
    """
    if job_id is not None:
        jobs.get(session, job_id, tenant_id=tenant_id)
    return filters.page(
        session,
        Evaluation,
        wanted,
        sort,
        tenant_id=tenant_id,
        job_id=job_id,
        deleted=deleted,
        limit=limit,
        cursor=cursor,
    )


def change(session: Session, evaluation_id: str, wanted: RunChange, *, tenant_id: str) -> Evaluation:
    """Change name, labels and pin of an evaluation, whatever its state. Repeating this changes nothing.

    Raises:
        EvaluationNotFoundError: It does not exist.
        InvalidRequestError: It would have too many labels.
    """
    _find(session, evaluation_id, tenant_id=tenant_id, lock=True)
    evaluation = get(session, evaluation_id, tenant_id=tenant_id)
    annotations.change(session, evaluation, wanted, action=Action.EVALUATION_CHANGED)
    return evaluation


def remove(session: Session, evaluation_id: str, *, tenant_id: str) -> Evaluation:
    """Delete an evaluation that has ended. Repeating this changes nothing.

    Raises:
        EvaluationNotFoundError: It does not exist.
        NotEndedError: It has not ended.
        PinnedError: It is pinned.
    """
    evaluation = _find(session, evaluation_id, tenant_id=tenant_id, lock=True)
    if removal.hide(session, evaluation):
        audit.record(session, Action.EVALUATION_DELETED, evaluation_id, tenant_id=tenant_id)
    return evaluation


def restore(session: Session, evaluation_id: str, *, tenant_id: str) -> Evaluation:
    """Restore a deleted evaluation. One that is not deleted is not changed.

    Raises:
        EvaluationNotFoundError: It does not exist, or no longer.
        JobDeletedError: Its job is deleted.
    """
    job_id = _find(session, evaluation_id, tenant_id=tenant_id).job_id
    session.execute(select(Job.id).where(Job.id == job_id).with_for_update(read=True))
    evaluation = _find(session, evaluation_id, tenant_id=tenant_id, lock=True)
    if removal.restore(session, evaluation):
        audit.record(session, Action.EVALUATION_RESTORED, evaluation_id, tenant_id=tenant_id)
    return evaluation


def cancel(session: Session, evaluation_id: str, *, tenant_id: str) -> Evaluation:
    """Cancel an evaluation. Repeating this changes nothing.

    Raises:
        EvaluationNotFoundError: It does not exist.
        AlreadyFinishedError: It has succeeded or failed.
    """
    asked = request_cancel(session, Evaluation, evaluation_id, tenant_id=tenant_id)
    if asked is not None:
        audit.record(
            session, Action.EVALUATION_CANCELLED, evaluation_id, tenant_id=tenant_id, after={"state": asked}
        )
    evaluation = get(session, evaluation_id, tenant_id=tenant_id)
    if asked is None and evaluation.state not in (RunState.CANCELLING, RunState.CANCELLED):
        raise AlreadyFinishedError(
            f"The evaluation {evaluation_id} has {evaluation.state} and can no longer be cancelled."
        )
    return evaluation
