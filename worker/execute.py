"""One attempt at a run: claim it, execute it, and record how it ended."""

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from api.db import Database
from api.errors import LeaseLostError, StorageError, log_faults
from api.models import Run, RunState
from api.runs import claims
from api.runs.claims import Claim
from api.runs.events import EventKind
from api.settings import Settings
from api.storage import open_storage, scratch
from api.telemetry import tracing
from td3core.errors import InvalidLogError, Td3Error
from worker.announcements import Underway
from worker.checkpoints import Checkpoints
from worker.files import Files
from worker.lease import (
    Lease,
    RunCancelledError,
    RunPausedError,
    RunPreemptedError,
    TimeIsUpError,
    Watch,
    WorkerStoppingError,
)
from worker.limits import memory_error, time_limit
from worker.metrics import LEASE_LOST
from worker.observed import observed
from worker.stopping import stop_requested

REPORT_SECONDS = 0.5
STORAGE_RETRY_SECONDS = 10.0

log = structlog.get_logger(__name__)

Finish = Callable[[Session, Claim], RunState]
"""Writes the end of a run to the database; called again if the database was unavailable."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a run needs for its execution."""

    run_id: str
    settings: Settings
    database: Database
    watch: Watch
    checkpoints: Checkpoints
    files: Files
    folder: Path


Handler = Callable[[Attempt], Finish]


def execute(
    model: type[Run],
    run_id: str,
    handlers: Mapping[type[Run], Handler],
    *,
    settings: Settings,
    worker: str,
    stopping: Callable[[], bool] = stop_requested,
    announce: Callable[[Underway | None], None] = lambda _: None,
) -> RunState | None:
    """Claim the run whose turn it is, execute it and write its end.

    Args:
        model: Kind of the run that this worker was woken for.
        run_id: Its id. If no run is queued, it is taken over if its worker has disappeared.
        handlers: How each kind of run is executed.
        settings: Settings of the worker.
        worker: Id of the worker.
        stopping: Whether the worker is being stopped.
        announce: Is told of the attempt, and None when its end has been written.

    Returns:
        The final state, or `None` if there was nothing to claim or the lease was lost.
    """
    database = Database(settings.database_url, limits=settings.database_limits, name="td3 worker")
    try:
        lease = timedelta(seconds=settings.lease_seconds)
        with database.transaction() as session:
            held = claims.claim_next(session, worker=worker, lease=lease) or claims.claim(
                session, model, run_id, worker=worker, lease=lease, max_attempts=settings.max_attempts
            )
        if held is None:
            log.info("run.nothing_to_claim", run=run_id)
            return None
        limit = time_limit(settings, seconds_to_deadline=held.seconds_left)
        ids = {"run": held.run_id, "attempt": held.attempt, "request_id": held.request_id}
        underway = Underway(os.getpid(), held, limit)
        with structlog.contextvars.bound_contextvars(**ids), _announced(announce, underway):
            heartbeat = timedelta(seconds=settings.heartbeat_seconds)
            with observed(held) as seen, Lease(database, held, lease=lease, heartbeat=heartbeat) as kept:
                watch = Watch(
                    database,
                    kept,
                    stopping=stopping,
                    every=REPORT_SECONDS,
                    on_step=seen.step,
                    limit=limit,
                )
                state = _attempt(kept, watch, handlers[held.model], settings, database)
                seen.outcome = state or LEASE_LOST
                return state
    finally:
        database.close()
        tracing.flush()


@contextmanager
def _announced(announce: Callable[[Underway | None], None], attempt: Underway) -> Iterator[None]:
    announce(attempt)
    try:
        yield
    finally:
        announce(None)


def _attempt(
    lease: Lease, watch: Watch, handler: Handler, settings: Settings, database: Database
) -> RunState | None:
    run_id = lease.held.run_id
    log.info("run.started")
    for name in scratch.clear_abandoned(settings.work_dir):
        log.info("work.cleared", folder=name)
    try:
        with scratch.scratch_folder(settings.work_dir, prefix=run_id) as folder:
            storage = open_storage(settings.storage_url)
            files = Files(
                storage, watch, patience=settings.storage_patience_seconds, retry=STORAGE_RETRY_SECONDS
            )
            checkpoints = Checkpoints(
                database,
                storage,
                lease.held,
                files=files,
                folder=folder,
                every=settings.checkpoint_seconds,
                watch=watch,
            )
            attempt = Attempt(run_id, settings, database, watch, checkpoints, files, folder)
            end = _end_of(functools.partial(handler, attempt), settings)
            state = lease.write(end)
    except LeaseLostError as error:
        log.warning("run.lease_lost", reason=str(error))
        return None
    log.info("run.ended", state=state)
    return state


def _end_of(execution: Callable[[], Finish], settings: Settings) -> Finish:
    """Execute the run, and return the function that writes its outcome."""
    try:
        return execution()
    except RunCancelledError:
        return claims.cancelled
    except (WorkerStoppingError, RunPausedError):
        return claims.hand_back
    except RunPreemptedError:
        return functools.partial(claims.hand_back, kind=EventKind.PREEMPTED)
    except TimeIsUpError as error:
        return functools.partial(_fail, error=error.limit.error)
    except (LeaseLostError, OperationalError):
        raise  # nothing can or must be written: the lease expires, and the keeper takes over
    except InvalidLogError as error:
        return _failure(error.code, str(error), errors=log_faults(error), total_errors=error.total)
    except (Td3Error, StorageError) as error:
        log.warning("run.failed", code=error.code, detail=str(error), exc_info=True)
        return _failure(error.code, str(error))
    except MemoryError:
        log.exception("run.out_of_memory")
        limit = settings.run_memory_bytes
        return functools.partial(_fail, error=memory_error(limit))
    except Exception:
        log.exception("run.internal_error")
        return _failure(
            "internal_error", "An unexpected error occurred; the log of the worker has the details."
        )


def _failure(code: str, detail: str, **more: Any) -> Finish:
    return functools.partial(_fail, error={"code": code, "detail": detail, **more})


def _fail(session: Session, held: Claim, *, error: dict[str, Any]) -> RunState:
    return claims.fail(session, held, error)
