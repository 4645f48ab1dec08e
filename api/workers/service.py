"""Heartbeats of workers, and listing workers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from api.db import now
from api.models import HELD, RUN_KINDS, Worker
from api.workers.gpu import Gpu

WorkerState = Literal["alive", "silent", "stopped"]


@dataclass(frozen=True, slots=True)
class Identity:
    """The properties of a worker that do not change."""

    id: str
    host: str
    pid: int
    queues: Sequence[str]
    device: str
    version: str


def beat(session: Session, worker: Identity, *, gpu: Gpu | None = None, stopping: bool = False) -> None:
    """Record a heartbeat of the worker, or that it stops, with the time of the database."""
    at = now(session)
    row = session.get(Worker, worker.id)
    if row is None:
        row = Worker(
            id=worker.id,
            host=worker.host,
            pid=worker.pid,
            queues=list(worker.queues),
            device=worker.device,
            version=worker.version,
            started_at=at,
        )
        session.add(row)
    row.gpu = asdict(gpu) if gpu else None
    row.seen_at = at
    row.stopped_at = at if stopping else None


@dataclass(frozen=True, slots=True)
class Seen:
    """A worker with its state and runs."""

    worker: Worker
    state: WorkerState
    runs: Sequence[str]
    """Ids of the runs of one tenant that the worker is executing."""


def everybody(session: Session, *, tenant_id: str, patience: timedelta) -> list[Seen]:
    """Return all known workers, the latest first, with the runs of this tenant that they are executing.

    A worker without a heartbeat for as long as `patience` is silent.
    """
    alive_since = now(session) - patience
    workers = session.scalars(select(Worker).order_by(Worker.started_at.desc(), Worker.id)).all()
    held = _held(session, tenant_id)
    return [
        Seen(
            worker,
            _state(worker.stopped_at is not None, worker.seen_at >= alive_since),
            held.get(worker.id, []),
        )
        for worker in workers
    ]


def sweep(session: Session, *, retention: timedelta) -> None:
    """Delete workers without a heartbeat for as long as `retention`."""
    session.execute(
        delete(Worker)
        .where(Worker.seen_at < now(session) - retention)
        .execution_options(synchronize_session=False)
    )


def _held(session: Session, tenant_id: str) -> dict[str, list[str]]:
    """Return the ids of runs by the worker that is executing them."""
    held: dict[str, list[str]] = {}
    for model in RUN_KINDS:
        query = select(model.worker, model.id).where(model.tenant_id == tenant_id, model.state.in_(HELD))
        for worker, run_id in session.execute(query):
            held.setdefault(worker or "", []).append(run_id)
    return held


def _state(stopped: bool, seen: bool) -> WorkerState:
    if stopped:
        return "stopped"
    return "alive" if seen else "silent"
