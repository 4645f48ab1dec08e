"""What is known of a run's checkpoints: where they are in storage, and who may take them up.

A row is written before the upload and completed after it, both behind the fence of the attempt: what a worker uploads
after it was given up is never taken up, and nothing lies in storage that no row tells of.
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
"""The newest, and one more for the case that it turns out to be damaged."""


def begin(session: Session, held: Claim, *, progress: float) -> Checkpoint:
    """Announce an upload, under a key that no other attempt uses.

    Raises:
        LeaseLostError: The claim holds no more.
    """
    claims.hold(session, held)
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
    """Let the uploaded checkpoint be the one to go on from; return those that are needed no more.

    Where it is further than any before, the workers that vanished until now are forgiven: on machines that are taken
    away often a long run ends all the same, and one that always dies at the same step is still given up.

    Raises:
        LeaseLostError: The claim holds no more.
    """
    claims.note(
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
    """Those from which the run can go on, the newest first."""
    return session.scalars(
        select(Checkpoint)
        .where(Checkpoint.run_id == run_id, Checkpoint.bytes.is_not(None))
        .order_by(Checkpoint.number.desc())
    ).all()


def of_ended_runs(session: Session, model: type[Run], *, limit: int) -> Sequence[Checkpoint]:
    """Those that nobody will go on from."""
    return session.scalars(
        select(Checkpoint)
        .join(model, and_(model.id == Checkpoint.run_id, model.state.in_(ENDED)))
        .limit(limit)
    ).all()


def forget(session: Session, checkpoints: Sequence[Checkpoint]) -> None:
    """Delete the rows of checkpoints that are not in storage any more."""
    gone = [(checkpoint.run_id, checkpoint.number) for checkpoint in checkpoints]
    session.execute(delete(Checkpoint).where(tuple_(Checkpoint.run_id, Checkpoint.number).in_(gone)))
