"""Holding on to a claim: a heartbeat that renews it, and the writes of the run that depend on it."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self, TypeVar

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from api.db import Database
from api.errors import LeaseLostError
from api.models import RunState
from api.runs import claims
from api.runs.claims import Claim
from api.runs.events import EventKind

RETRY_SECONDS = 1.0
CHECK_SECONDS = 0.5
"""How soon a run that waits notices that it has to stop."""
SAMPLE_SECONDS = 5.0
"""How often the event log gets the losses; validations are logged each."""
T = TypeVar("T")

log = structlog.get_logger(__name__)


class Lease:
    """A claim, kept alive from a thread of its own with a session of its own while the run computes."""

    def __init__(self, database: Database, held: Claim, *, lease: timedelta, heartbeat: timedelta) -> None:
        self.held = held
        self._database = database
        self._lease = lease
        self._heartbeat = heartbeat
        self._renewed_at = time.monotonic()
        self._lost = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat-{held.run_id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def check(self) -> None:
        """Stop the run if the claim is known to be lost.

        Raises:
            LeaseLostError: It is. Nothing may be written any more.
        """
        if self._lost.is_set() or self._expired():
            raise LeaseLostError(f"attempt {self.held.attempt} of {self.held.run_id} lost its lease")

    def write(self, write: Callable[[Session, Claim], T]) -> T:
        """Write through an outage of the database, for as long as the lease may still be ours.

        Raises:
            LeaseLostError: The claim holds no more, or nobody can tell.
        """
        while True:
            self.check()
            try:
                with self._database.transaction() as session:
                    return write(session, self.held)
            except OperationalError as error:
                log.warning("lease.database_unavailable", error=str(error.orig))
                time.sleep(RETRY_SECONDS)

    def _beat(self) -> None:
        while not self._ended.wait(self._heartbeat.total_seconds()):
            before = time.monotonic()
            try:
                with self._database.transaction() as session:
                    claims.renew(session, self.held, lease=self._lease)
            except OperationalError as error:
                log.warning("heartbeat.database_unavailable", error=str(error.orig))
                if self._expired():
                    self._lost.set()
                    return
            except LeaseLostError:
                if not self._ended.is_set():
                    self._lost.set()
                return
            else:
                self._renewed_at = before

    def _expired(self) -> bool:
        """Whether the lease has run out since it was last known to be renewed, by this process's steady clock."""
        return time.monotonic() - self._renewed_at > self._lease.total_seconds()


class Watch:
    """Tells the database how far the run is, and the run when it has to stop."""

    def __init__(
        self,
        database: Database,
        lease: Lease,
        *,
        stopping: Callable[[], bool],
        every: float,
        on_step: Callable[[str, int], None],
        seconds_left: float | None = None,
    ) -> None:
        self._database = database
        self._lease = lease
        self._stopping = stopping
        self._every = every
        self._on_step = on_step
        self._deadline = None if seconds_left is None else time.monotonic() + seconds_left
        self._reported_at = float("-inf")
        self._stage = ""
        self._losses: dict[str, float] = {}
        self._scores: dict[str, float] = {}
        self._sampled_at = float("-inf")
        self._logged_scores: dict[str, float] = {}
        """Those that the event log has."""

    def report(
        self,
        *,
        stage: str,
        progress: float,
        step: int,
        steps: int,
        losses: dict[str, float],
        scores: dict[str, float],
        eta_seconds: float | None,
    ) -> None:
        """Call at every step: reads the run's state each time, and writes progress now and then.

        Raises:
            RunCancelledError, RunPausedError: A client asked for it.
            DeadlineExceededError: The run should have ended by now.
            WorkerStoppingError: This worker is told to stop.
            LeaseLostError: The run is not ours any more.
        """
        self._on_step(stage, step)
        if losses or scores:
            self._losses, self._scores = losses, scores
        self._check_own()
        event = self._event(stage)
        due = event is not None or time.monotonic() - self._reported_at >= self._every
        held = self._lease.held
        try:
            if due:
                with self._database.transaction() as session:
                    state = claims.report(
                        session,
                        held,
                        stage=stage,
                        progress=progress,
                        step=step,
                        steps=steps,
                        losses=self._losses,
                        scores=self._scores,
                        eta_seconds=eta_seconds,
                        event=event,
                    )
                self._stage, self._reported_at = stage, time.monotonic()
                if event:
                    self._sampled_at, self._logged_scores = self._reported_at, self._scores
            else:
                with self._database.reading() as session:
                    state = claims.current_state(session, held)
        except OperationalError as error:
            # An outage costs progress reports, not hours of work; the heartbeat tells when the lease is gone.
            log.warning("progress.database_unavailable", error=str(error.orig))
            return
        _check_state(state)

    def check(self) -> None:
        """Find out whether the run has to stop, without anything to report; raises as `report` does."""
        self._check_own()
        try:
            with self._database.reading() as session:
                state = claims.current_state(session, self._lease.held)
        except OperationalError as error:
            log.warning("progress.database_unavailable", error=str(error.orig))
            return
        _check_state(state)

    def wait(self, seconds: float) -> None:
        """Let the time pass; raises as `report` does."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, CHECK_SECONDS))

    def warn(self, code: str, detail: str) -> None:
        """Say in the log of the run, and in the worker's, what went wrong without ending it; only there with its cause.

        Raises:
            LeaseLostError: The run is not ours any more.
        """
        log.warning(code, detail=detail, exc_info=True)
        try:
            with self._database.transaction() as session:
                claims.note(session, self._lease.held, EventKind.WARNING, code=code, detail=detail)
        except OperationalError as error:
            log.warning("progress.database_unavailable", error=str(error.orig))

    def _check_own(self) -> None:
        """Raise what this process knows by itself."""
        self._lease.check()
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise DeadlineExceededError
        if self._stopping():
            raise WorkerStoppingError

    def _event(self, stage: str) -> EventKind | None:
        """What this step is worth in the event log: a new stage, a validation, or a sample now and then."""
        if stage != self._stage:
            return EventKind.STAGE
        validated = self._scores and self._scores != self._logged_scores
        sampled = self._losses and time.monotonic() - self._sampled_at >= SAMPLE_SECONDS
        return EventKind.METRICS if validated or sampled else None


def _check_state(state: RunState) -> None:
    if state is RunState.CANCELLING:
        raise RunCancelledError
    if state is RunState.PAUSING:
        raise RunPausedError


class RunCancelledError(Exception):
    """A client asked for the run to end."""


class RunPausedError(Exception):
    """A client asked for the run to be interrupted."""


class DeadlineExceededError(Exception):
    """The run should have ended by now."""


class WorkerStoppingError(Exception):
    """The worker is told to stop."""
