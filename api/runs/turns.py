"""Whose turn it is: the order in which queued runs begin.

First the class decides; then, among the projects with runs of that class, which has used least of the workers; then
age. The queue consists of lanes, and only the oldest run of a lane can be next, so it does not matter for the choice
how many wait behind it.
"""

import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Dialect,
    Select,
    SmallInteger,
    String,
    TextualSelect,
    column,
    func,
    literal_column,
    select,
    text,
    type_coerce,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.models import HELD, RUN_KINDS, DeviceUse, Priority, Project, Run, RunState
from api.runs import shares
from api.runs.shares import Use

_KINDS = {model.kind: model for model in RUN_KINDS}
_CLASSES = list(Priority)
_GOING = -1
"""In place of a rank: a claim that goes on."""


@dataclass(frozen=True, slots=True)
class Head:
    """A lane, the queued runs of one kind and class of a project, by its oldest run, which begins first."""

    model: type[Run]
    priority: Priority
    tenant_id: str
    oldest: datetime
    """When its oldest run was submitted."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The lanes, and what the projects use that have a lane or a run that goes on."""

    heads: Sequence[Head]
    uses: Mapping[str, Use]


def is_queued(model: type[Run]) -> ColumnElement[bool]:
    """Whether a run is queued, written so that the index of the queue serves it on both databases."""
    return model.state == literal_column(f"'{RunState.QUEUED}'")


def in_turn(session: Session, *, at: datetime) -> Sequence[Head]:
    """Return the lanes in the order in which their oldest runs begin.

    This is the place for further conditions on who may be next: a lane that is left out waits.
    """
    queue = read(session, at=at)
    share = {tenant_id: use.share for tenant_id, use in queue.uses.items()}
    return sorted(queue.heads, key=lambda head: (head.priority.rank, share[head.tenant_id], head.oldest))


def read(session: Session, *, at: datetime) -> Queue:
    """Read the queue, by one query."""
    heads: list[Head] = []
    uses: dict[str, Use] = {}
    going: defaultdict[str, list[datetime]] = defaultdict(list)
    statement = _waiting_and_going(session.get_bind().dialect)
    for kind, rank, tenant_id, moment, weight, since, seconds, claims in session.execute(statement):
        if rank == _GOING:
            going[tenant_id].append(moment)
        else:
            heads.append(Head(_KINDS[kind], _CLASSES[rank], tenant_id, moment))
        if tenant_id not in uses:
            uses[tenant_id] = shares.use_of(weight, since, seconds, claims, at=at)
    shares.count_going(uses, going, at=at)
    return Queue(heads, uses)


def raise_priority(run: Run, priority: Priority) -> None:
    """Move the run to this class, if it is a higher one and the run has not ended."""
    if priority.rank < run.priority.rank and not run.state.ended:
        run.priority = priority


@functools.cache
def _waiting_and_going(dialect: Dialect) -> TextualSelect:
    """Select each lane with its oldest run, each claim that goes on, and beside them what their projects have used.

    It is compiled once: each worker executes it before each claim, and to compare it with others takes as long.
    """
    parts = [part for model in RUN_KINDS for part in (_heads(model), _going(model))]
    found = union_all(*parts).subquery()
    statement = (
        select(found, Project.weight, DeviceUse.at, DeviceUse.seconds, DeviceUse.claims)
        .outerjoin(Project, Project.id == found.c.tenant_id)
        .outerjoin(DeviceUse, DeviceUse.tenant_id == found.c.tenant_id)
    )
    literal_values = {"literal_binds": True, "render_postcompile": True}
    columns = statement.selected_columns
    compiled = str(statement.compile(dialect=dialect, compile_kwargs=literal_values))
    return text(compiled).columns(*(column(str(each.key), each.type) for each in columns))


def _heads(model: type[Run]) -> Select[str, int, str, Any]:
    """Select the lanes by jumping in the index from one to the next, whatever their lengths."""
    rank = type_coerce(model.priority, SmallInteger)
    ranks = union_all(
        *(select(literal_column(str(priority.rank), SmallInteger).label("rank")) for priority in Priority)
    )
    first = ranks.subquery()

    def least(of: InstrumentedAttribute[Any], *where: ColumnElement[bool]) -> ColumnElement[Any]:
        return select(func.min(of)).where(is_queued(model), *where).scalar_subquery()

    lane = select(first.c.rank, least(model.tenant_id, rank == first.c.rank).label("tenant_id")).cte(
        f"lanes_of_{model.kind}s", recursive=True
    )
    following = least(model.tenant_id, rank == lane.c.rank, model.tenant_id > lane.c.tenant_id)
    lane = lane.union_all(select(lane.c.rank, following).where(lane.c.tenant_id.is_not(None)))
    oldest = least(model.created_at, rank == lane.c.rank, model.tenant_id == lane.c.tenant_id)
    return select(
        literal_column(f"'{model.kind}'", String).label("kind"),
        lane.c.rank,
        lane.c.tenant_id,
        oldest.label("moment"),
    ).where(lane.c.tenant_id.is_not(None))


def _going(model: type[Run]) -> Select[str, int, str, Any]:
    return select(
        literal_column(f"'{model.kind}'", String),
        literal_column(str(_GOING), SmallInteger),
        model.tenant_id,
        model.claimed_at,
    ).where(model.state.in_(HELD), model.claimed_at.is_not(None))
