"""Keeping a claim: the heartbeat that renews the lease, and the writes that depend on it."""

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
from worker.limits import TimeLimit

RETRY_SECONDS = 1.0
CHECK_SECONDS = 0.5
"""Interval at which a waiting run checks whether it has to stop."""
SAMPLE_SECONDS = 5.0
"""Interval at which losses are recorded as events; every validation is recorded."""
T = TypeVar("T")

log = structlog.get_logger(__name__)


class Lease:
    """A claim whose lease is renewed by a thread while the run computes."""

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
        """Check that the lease has not been lost.

        Raises:
            LeaseLostError: It has; nothing may be written any more.
        """
        if self._expired():
            self._lost.set()  # for good: a late heartbeat must not revive what the run was told is lost
        if self._lost.is_set():
            raise LeaseLostError(f"attempt {self.held.attempt} of {self.held.run_id} lost its lease")

    def write(self, write: Callable[[Session, Claim], T]) -> T:
        """Write to the database, with retries during an outage as long as the lease may be valid.

        Raises:
            LeaseLostError: The lease was lost, or has run out during the outage.
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
        while not self._ended.wait(self._heartbeat.total_seconds()) and not self._lost.is_set():
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
        """Whether the lease has run out since its last known renewal, by the monotonic clock of this process."""
        return time.monotonic() - self._renewed_at > self._lease.total_seconds()


class Watch:
    """Reports the progress of a run to the database, and tells the run when to stop."""

    def __init__(
        self,
        database: Database,
        lease: Lease,
        *,
        stopping: Callable[[], bool],
        every: float,
        on_step: Callable[[str, int], None],
        limit: TimeLimit | None = None,
    ) -> None:
        self._database = database
        self._lease = lease
        self._stopping = stopping
        self._every = every
        self._on_step = on_step
        self._limit = limit
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
        """Report a step. Each call reads the state of the run; the progress is written at intervals.

        Raises:
            RunCancelledError, RunPausedError: A client requested it.
            RunPreemptedError: A run of a higher class needs the worker.
            TimeIsUpError: The time limit of the attempt has passed.
            WorkerStoppingError: This worker is being stopped.
            LeaseLostError: The run no longer belongs to this attempt.
        """
        self._on_step(stage, step)
        if losses or scores:
            self._losses, self._scores = losses, scores
        self._check_own()
        event = self._event(stage)
        due = event is not None or time.monotonic() - self._reported_at >= self._every
        held = self._lease.held
        yields = False
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
                    yields = claims.must_yield(session, held)
                self._stage, self._reported_at = stage, time.monotonic()
                if event:
                    self._sampled_at, self._logged_scores = self._reported_at, self._scores
            else:
                with self._database.reading() as session:
                    state = claims.current_state(session, held)
        except OperationalError as error:
            # An outage only delays progress reports; the heartbeat detects when the lease is lost.
            log.warning("progress.database_unavailable", error=str(error.orig))
            return
        _check_state(state)
        if yields:
            raise RunPreemptedError

    def check(self) -> None:
        """Check whether the run has to stop; raises the same errors as `report`."""
        self._check_own()
        try:
            with self._database.reading() as session:
                state = claims.current_state(session, self._lease.held)
        except OperationalError as error:
            log.warning("progress.database_unavailable", error=str(error.orig))
            return
        _check_state(state)

    def wait(self, seconds: float) -> None:
        """Sleep, checking meanwhile whether the run has to stop; raises the same errors as `report`."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, CHECK_SECONDS))

    def warn(self, code: str, detail: str) -> None:
        """Record a warning as an event of the run, and in the log of the worker, which also gets the exception.

        Raises:
            LeaseLostError: The run no longer belongs to this attempt.
        """
        log.warning(code, detail=detail, exc_info=True)
        self.write(
            lambda session, held: claims.record(session, held, EventKind.WARNING, code=code, detail=detail)
        )

    def write(self, change: Callable[[Session, Claim], object]) -> bool:
        """Make a change in the name of this attempt, and tell whether the database could take it.

        Raises:
            LeaseLostError: The run no longer belongs to this attempt.
        """
        try:
            with self._database.transaction() as session:
                change(session, self._lease.held)
        except OperationalError as error:
            log.warning("progress.database_unavailable", error=str(error.orig))
            return False
        return True

    def _check_own(self) -> None:
        """Check the reasons to stop that need no database."""
        self._lease.check()
        if self._limit is not None and time.monotonic() > self._limit.at:
            raise TimeIsUpError(self._limit)
        if self._stopping():
            raise WorkerStoppingError

    def _event(self, stage: str) -> EventKind | None:
        """Return the kind of event to record for this step: a new stage, a validation or, at intervals, the losses."""
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
    """A client requested the cancellation of the run."""


class RunPausedError(Exception):
    """A client requested a pause of the run."""


class RunPreemptedError(Exception):
    """A run of a higher class needs the worker."""


class TimeIsUpError(Exception):
    """The time limit of the attempt has passed."""

    def __init__(self, limit: TimeLimit) -> None:
        super().__init__(limit.error["detail"])
        self.limit = limit


class WorkerStoppingError(Exception):
    """The worker is being stopped."""
