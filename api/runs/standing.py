"""Why a queued run waits: its place in the order of `api.runs.turns`, and when it will probably begin."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import func, select, union_all
from sqlalchemy.orm import Session

from api.db import now
from api.models import HELD, RUN_KINDS, Priority, Run, RunState, Worker
from api.runs import shares, turns
from api.runs.shares import Use

Lane = tuple[Priority, str]
"""Class and project, of all kinds of runs."""


class Reason(StrEnum):
    """Why a run waits."""

    NO_WORKER = "no_worker"
    STARTING = "starting"
    BEHIND_PRIORITY = "behind_priority"
    PROJECT_SHARE = "project_share"
    WORKERS_BUSY = "workers_busy"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands in the queue."""

    position: int
    """1 for the one that begins next. It assumes that all runs take as long as usual."""
    reason: Reason
    expected_start: datetime | None


@dataclass(frozen=True, slots=True)
class _Queue:
    """The queue as a whole."""

    lengths: dict[Lane, int]
    oldest: dict[Lane, datetime]
    uses: Mapping[str, Use]
    usual: float | None
    """Seconds that a worker holds a run; None: unknown."""

    def before(self, lane: Lane, number: int) -> int:
        """Return how many runs of other lanes of the class begin before the run with this number in its lane."""
        priority, tenant_id = lane
        step = self.usual or 1.0
        reached = self._share(lane) + (number - 1) * step / self.uses[tenant_id].weight
        found = 0
        for other, length in self.lengths.items():
            if other[0] is priority and other != lane:
                ahead = (reached - self._share(other)) * self.uses[other[1]].weight / step
                taken = math.ceil(ahead) if ahead > 0 else 0
                if ahead == 0 and self.oldest[other] < self.oldest[lane]:
                    taken = 1
                found += min(taken, length)
        return found

    def _share(self, lane: Lane) -> float:
        """Return what the project of a lane will have used when the turn of its class comes."""
        priority, tenant_id = lane
        use = self.uses[tenant_id]
        first = sum(self.lengths.get((higher, tenant_id), 0) for higher in list(Priority)[: priority.rank])
        return use.share + first * (self.usual or 1.0) / use.weight

    def higher(self, priority: Priority) -> int:
        """Return how many runs of higher classes wait."""
        return sum(number for (other, _), number in self.lengths.items() if other.rank < priority.rank)


def standings(session: Session, runs: Sequence[Run], *, silent_after: timedelta) -> dict[str, Standing]:
    """Return where those of the runs stand that are queued, by their ids; the others need no query."""
    queued = [run for run in runs if run.state is RunState.QUEUED]
    if not queued:
        return {}
    at = now(session)
    queue = _queue(session, at)
    numbers = _numbers(session, queued)
    ends = _ends(session, queue.usual, at, silent_after)
    found: dict[str, Standing] = {}
    for run in queued:
        lane = (run.priority, run.tenant_id)
        if lane in queue.lengths and run.id in numbers:  # otherwise it has just begun
            number = numbers[run.id]
            higher = queue.higher(run.priority)
            position = higher + number + queue.before(lane, number)
            passed = queue.before(lane, 1) > 0
            found[run.id] = Standing(
                position, _reason(position, higher, passed, ends, at), _start(position, ends, queue.usual)
            )
    return found


def _reason(position: int, higher: int, passed: bool, ends: Sequence[datetime], at: datetime) -> Reason:
    if not ends:
        return Reason.NO_WORKER
    if position <= len(ends) and ends[position - 1] <= at:
        return Reason.STARTING
    if higher:
        return Reason.BEHIND_PRIORITY
    return Reason.PROJECT_SHARE if passed else Reason.WORKERS_BUSY


def _start(position: int, ends: Sequence[datetime], usual: float | None) -> datetime | None:
    """Each worker ends what it has, and then takes a run each time as long as usual."""
    if not ends or usual is None:
        return None
    rounds, worker = divmod(position - 1, len(ends))
    return ends[worker] + timedelta(seconds=rounds * usual)


def _queue(session: Session, at: datetime) -> _Queue:
    queue = turns.read(session, at=at)
    oldest: dict[Lane, datetime] = {}
    for head in queue.heads:
        lane = (head.priority, head.tenant_id)
        oldest[lane] = min(head.oldest, oldest.get(lane, head.oldest))
    lengths: defaultdict[Lane, int] = defaultdict(int)
    for model in RUN_KINDS:
        counts = (
            select(model.priority, model.tenant_id, func.count())
            .where(turns.is_queued(model))
            .group_by(model.priority, model.tenant_id)
        )
        for priority, tenant_id, number in session.execute(counts):
            if (priority, tenant_id) in oldest:
                lengths[priority, tenant_id] += number
    return _Queue(dict(lengths), oldest, queue.uses, shares.usual_seconds(queue.uses.values()))


def _numbers(session: Session, queued: Sequence[Run]) -> dict[str, int]:
    """Return the number of each run within its lane, by age."""
    tenants = {run.tenant_id for run in queued}
    lanes = union_all(
        *(
            select(model.id, model.priority, model.tenant_id, model.created_at).where(
                turns.is_queued(model), model.tenant_id.in_(tenants)
            )
            for model in RUN_KINDS
        )
    ).subquery()
    number = func.row_number().over(
        partition_by=(lanes.c.priority, lanes.c.tenant_id), order_by=(lanes.c.created_at, lanes.c.id)
    )
    numbered = select(lanes.c.id, number.label("number")).subquery()
    wanted = [run.id for run in queued]
    return dict(
        session.execute(select(numbered.c.id, numbered.c.number).where(numbered.c.id.in_(wanted))).all()
    )


def _ends(session: Session, usual: float | None, at: datetime, silent_after: timedelta) -> Sequence[datetime]:
    """Return when each worker will be free, the first one first; those that are free are so now."""
    alive = session.scalars(
        select(Worker.id).where(Worker.stopped_at.is_(None), Worker.seen_at >= at - silent_after)
    )
    free_at = dict.fromkeys(alive, at)
    for model in RUN_KINDS:
        held = select(model.worker, model.claimed_at, model.eta_seconds).where(model.state.in_(HELD))
        for worker, claimed_at, eta in session.execute(held):
            if worker in free_at:
                taken = (at - claimed_at).total_seconds() if claimed_at else 0.0
                left = eta if eta is not None else (usual or 0.0) - taken
                free_at[worker] = at + timedelta(seconds=max(left, 0.001))
    return sorted(free_at.values())
