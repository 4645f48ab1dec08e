"""Operations on evaluations."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from api import outbox, retention
from api.audit import service as audit
from api.audit.service import Action
from api.db import now
from api.errors import AlreadyFinishedError, EvaluationNotFoundError
from api.ids import new_id
from api.jobs import service as jobs
from api.models import Evaluation, RunState
from api.pages import RowPage, page_of
from api.runs import events
from api.runs.cancel import request_cancel
from api.runs.events import EventKind
from td3core.config import EvaluationSpec
from td3core.formats import EVALUATION_SPEC


def submit(session: Session, job_id: str, spec: EvaluationSpec, *, tenant_id: str) -> Evaluation:
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
        spec=spec.model_dump(mode="json"),
        spec_format=EVALUATION_SPEC.current,
    )
    session.add(evaluation)
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
        EvaluationNotFoundError: It does not exist.
    """
    evaluation = session.scalar(
        select(Evaluation).where(Evaluation.id == evaluation_id, Evaluation.tenant_id == tenant_id)
    )
    if evaluation is None:
        raise EvaluationNotFoundError(f"The evaluation {evaluation_id} does not exist.")
    return evaluation


def page(
    session: Session, job_id: str, *, tenant_id: str, limit: int, cursor: str | None
) -> RowPage[Evaluation]:
    """List the evaluations of a job, newest first.

    Raises:
        JobNotFoundError: The job does not exist.
    """
    job = jobs.get(session, job_id, tenant_id=tenant_id)
    query = select(Evaluation).where(Evaluation.tenant_id == tenant_id, Evaluation.job_id == job.id)
    return page_of(session, query, Evaluation, limit=limit, cursor=cursor)


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
