"""The rows of checkpoints: where they are in storage, and which of them can be resumed from.

A row is written before the upload and completed after it, both only by the current attempt (the fence): a checkpoint
that a worker uploads after it has lost its run is never used, and every object in storage has a row.
"""

from collections.abc import Sequence

from sqlalchemy import and_, delete, func, select, tuple_, update
from sqlalchemy.orm import Session

from api.db import now
from api.models import ENDED, Checkpoint, Run
from api.runs import claims
from api.runs.claims import Claim
from api.runs.events import EventKind

KEPT = 2
"""Number of checkpoints that are kept: the newest, and one more in case it is damaged."""


def begin(session: Session, held: Claim, *, progress: float) -> Checkpoint:
    """Write the row of a checkpoint before its upload, with a key that no other attempt uses.

    Raises:
        LeaseLostError: The claim has ended.
    """
    claims.lock(session, held)
    last = select(func.max(Checkpoint.number)).where(Checkpoint.run_id == held.run_id)
    number = (session.scalar(last) or 0) + 1
    tenant_id = session.scalar(select(held.model.tenant_id).where(held.model.id == held.run_id))
    checkpoint = Checkpoint(
        run_id=held.run_id,
        number=number,
        attempt=held.attempt,
        created_at=now(session),
        storage_key=f"{tenant_id}/checkpoints/{held.run_id}-{held.attempt}-{number}",
        progress=progress,
    )
    session.add(checkpoint)
    return checkpoint


def complete(session: Session, held: Claim, checkpoint: Checkpoint, *, size: int) -> Sequence[Checkpoint]:
    """Mark the checkpoint as uploaded, so that runs resume from it; return those that are no longer needed.

    If it has more progress than all before, the count of crashes is reset: a long run succeeds even on machines that
    often disappear, but a run that always crashes at the same step fails.

    Raises:
        LeaseLostError: The claim has ended.
    """
    claims.record(
        session,
        held,
        EventKind.CHECKPOINT,
        number=checkpoint.number,
        bytes=size,
        progress=checkpoint.progress,
    )
    earlier = complete_ones(session, held.run_id)
    if all(checkpoint.progress > before.progress for before in earlier):
        session.execute(
            update(held.model)
            .where(held.model.id == held.run_id)
            .values(crashes=0)
            .execution_options(synchronize_session=False)
        )
    session.execute(
        update(Checkpoint)
        .where(Checkpoint.run_id == held.run_id, Checkpoint.number == checkpoint.number)
        .values(bytes=size)
        .execution_options(synchronize_session=False)
    )
    kept = [usable.number for usable in (checkpoint, *earlier)][:KEPT]
    return session.scalars(
        select(Checkpoint).where(Checkpoint.run_id == held.run_id, Checkpoint.number.not_in(kept))
    ).all()


def complete_ones(session: Session, run_id: str) -> Sequence[Checkpoint]:
    """Return the checkpoints that the run can resume from, newest first."""
    return session.scalars(
        select(Checkpoint)
        .where(Checkpoint.run_id == run_id, Checkpoint.bytes.is_not(None))
        .order_by(Checkpoint.number.desc())
    ).all()


def of_ended_runs(session: Session, model: type[Run], *, limit: int) -> Sequence[Checkpoint]:
    """Return checkpoints of runs that have ended."""
    return session.scalars(
        select(Checkpoint)
        .join(model, and_(model.id == Checkpoint.run_id, model.state.in_(ENDED)))
        .limit(limit)
    ).all()


def forget(session: Session, checkpoints: Sequence[Checkpoint]) -> None:
    """Delete the rows of checkpoints that have been deleted from storage."""
    gone = [(checkpoint.run_id, checkpoint.number) for checkpoint in checkpoints]
    session.execute(delete(Checkpoint).where(tuple_(Checkpoint.run_id, Checkpoint.number).in_(gone)))
