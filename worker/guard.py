"""A thread of a worker's main process that looks after the child which executes a run.

A run looks by itself, at each step, whether it has to stop. The guard is for what it cannot do: while it reads a large
log, compiles or computes a metric over all users it does not look, and once it is killed it can hand nothing back. The
guard ends children that do not hear, writes the end of their runs, and takes back the runs of children that have ended.
"""

import functools
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.errors import LeaseLostError
from api.models import RunState
from api.outbox import Outbox
from api.queue import make_celery
from api.runs import claims
from api.runs.claims import Claim
from api.runs.sweep import take_back
from api.settings import Settings
from api.storage import scratch
from worker.announcements import Announcements, Underway
from worker.child import Child
from worker.limits import memory_error, memory_limit
from worker.main_database import MainDatabase
from worker.metrics import runs_of_ended_children

POLL_SECONDS = 0.25
CANCEL_SECONDS = 0.5
"""How long a child has to hear of a cancel by itself."""
PATIENCE_SECONDS = 5.0
"""How long it has to find out that its time is up, or that the run is no longer its own."""

log = structlog.get_logger(__name__)

End = Callable[[Session, Claim], RunState]
"""Writes the end of an attempt to the database."""


@dataclass
class _Watched:
    """A child and its attempt."""

    child: Child
    attempt: Underway
    deaf_since: float | None = None
    """Since when there is a reason to stop that it has not followed."""


@dataclass
class _Unwritten:
    """An end that is not in the database yet. After the length of a lease, it is left to the keeper."""

    held: Claim
    end: End
    until: float = field(kw_only=True)


class Guard:
    """Looks after the children of a worker, one after the other, from `start` to `stop`."""

    def __init__(self, settings: Settings, database: MainDatabase, announcements: Announcements) -> None:
        self._settings = settings
        self._database = database
        self._announcements = announcements
        self._memory = memory_limit(settings)
        self._watched: _Watched | None = None
        self._unwritten: list[_Unwritten] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look_after, name="guard", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for it; does nothing if it was not started."""
        self._stopped.set()
        self._announcements.announce(None)  # wakes the thread
        if self._thread.is_alive():
            self._thread.join()

    def _look_after(self) -> None:
        while not self._stopped.is_set():
            try:
                self._look()
            except Exception:  # the run has its lease, and the next one is guarded again
                log.exception("guard.failed")
                self._follow(None)

    def _look(self) -> None:
        self._wait()
        for attempt in self._announcements.read():
            if attempt and self._watched:  # there is one child at a time, so the other has ended
                self._check(self._watched)
            self._follow(attempt)
        if self._watched:
            self._check(self._watched)
        self._write()

    def _wait(self) -> None:
        """Wait until something is announced, the child ends or, if there is something to check, for a moment."""
        waiting: list[Announcements | Child] = [self._announcements]
        if self._watched:
            waiting.append(self._watched.child)
        busy = self._watched or self._unwritten
        select.select(waiting, [], [], POLL_SECONDS if busy else None)

    def _follow(self, attempt: Underway | None) -> None:
        if self._watched:
            self._watched.child.close()
            self._watched = None
            self._database.close()
        if attempt:
            try:
                self._watched = _Watched(Child(attempt.pid), attempt)
            except ProcessLookupError:
                self._taken_back(attempt.held, "The process of the run has ended.")
            except OSError as error:
                log.warning("guard.cannot_watch", run=attempt.held.run_id, error=str(error))

    def _check(self, watched: _Watched) -> None:
        """Take the run back if the child has ended, and end the child if it has to and does not."""
        held, child, limit = watched.attempt.held, watched.child, watched.attempt.limit
        if child.ended:
            self._taken_back(held, f"The process of the run {child.how_it_ended()}.")
            self._ended(None)
        elif self._memory is not None and child.used_memory() > self._memory:
            self._kill(watched, "out_of_memory", _failing(memory_error(self._memory)))
        elif time.monotonic() > limit.at + PATIENCE_SECONDS:
            self._kill(watched, limit.error["code"], _failing(limit.error))
        else:
            self._check_state(watched, held)

    def _check_state(self, watched: _Watched, held: Claim) -> None:
        try:
            with self._database.reading() as session:
                state = claims.current_state(session, held)
        except SQLAlchemyError:
            return  # the child says so, and goes on
        except LeaseLostError:
            self._insist(watched, PATIENCE_SECONDS, "lease_lost", None)
            return
        if state is RunState.CANCELLING:
            self._insist(watched, CANCEL_SECONDS, "cancelled", claims.cancelled)
        else:
            watched.deaf_since = None

    def _insist(self, watched: _Watched, patience: float, why: str, end: End | None) -> None:
        """End the child if there has been a reason for so many seconds."""
        if watched.deaf_since is None:
            watched.deaf_since = time.monotonic()
        if time.monotonic() - watched.deaf_since >= patience:
            self._kill(watched, why, end)

    def _kill(self, watched: _Watched, why: str, end: End | None) -> None:
        held = watched.attempt.held
        log.warning("guard.child_killed", run=held.run_id, attempt=held.attempt, reason=why)
        watched.child.kill()
        self._ended(end)

    def _taken_back(self, held: Claim, reason: str) -> None:
        self._to_write(
            held, functools.partial(take_back, reason=reason, max_attempts=self._settings.max_attempts)
        )

    def _to_write(self, held: Claim, end: End) -> None:
        until = time.monotonic() + self._settings.lease_seconds
        self._unwritten.append(_Unwritten(held, end, until=until))

    def _ended(self, end: End | None) -> None:
        """Stop watching the child, which has ended or is about to."""
        assert self._watched is not None
        if end:
            self._to_write(self._watched.attempt.held, end)
        self._write()
        select.select([self._watched.child], [], [], PATIENCE_SECONDS)
        self._follow(None)
        try:
            with self._database.unforked():  # a child would inherit the lock on the folder, and keep it
                scratch.clear_abandoned(self._settings.work_dir)
        except OSError as error:  # the next run tries again
            log.warning("work.not_cleared", error=str(error))

    def _write(self) -> None:
        unwritten, self._unwritten = self._unwritten, []
        for ending in unwritten:
            held = ending.held
            try:
                with self._database.transaction() as session:
                    state = ending.end(session, held)
            except LeaseLostError:
                continue  # it ended in time
            except SQLAlchemyError as error:
                log.warning("guard.database_unavailable", run=held.run_id, error=str(error))
                if time.monotonic() < ending.until:
                    self._unwritten.append(ending)
                continue
            log.warning("guard.run_ended", run=held.run_id, attempt=held.attempt, state=state)
            runs_of_ended_children().labels(state).inc()
            if state is RunState.QUEUED:
                self._send(held.run_id)

    def _send(self, run_id: str) -> None:
        resend = timedelta(seconds=self._settings.resend_seconds)
        with (
            self._database.unforked(),
            make_celery(self._settings.required_broker_url, self._settings.queue) as celery,
        ):
            try:
                Outbox(self._database, celery, resend=resend).deliver([run_id])
            except SQLAlchemyError as error:  # the keeper sends it
                log.warning("guard.database_unavailable", run=run_id, error=str(error))


def _failing(error: dict[str, str]) -> End:
    return functools.partial(_fail, error=error)


def _fail(session: Session, held: Claim, *, error: dict[str, str]) -> RunState:
    return claims.fail(session, held, error)
