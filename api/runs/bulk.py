"""Doing the same to all runs that a filter finds: how many there are is said first, and must still be so."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, exists, func, not_, or_, select
from sqlalchemy.orm import Session, lazyload

from api.errors import CountChangedError, InvalidRequestError
from api.models import ENDED, Evaluation, Job, Run, RunState
from api.runs.filters import RunFilter

MOST = 200
"""Maximum number of runs of one request, which is one transaction."""

Kind = TypeVar("Kind", bound=Run)


class WholeFilter(RunFilter):
    """A filter in a body, where an unknown field is refused: without it, more would be found."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Bulk(BaseModel):
    """Which runs something is to be done to."""

    model_config = ConfigDict(extra="forbid", strict=True)

    filter: WholeFilter = Field(description="Which runs; one that wants nothing in particular is refused.")
    expected: int | None = Field(
        default=None,
        ge=0,
        le=MOST,
        description="How many runs there are, from the answer to the same request without it. Something is done only "
        "if it is still so. Null: nothing is done.",
        examples=[None],
    )


class BulkOut(BaseModel):
    """How many runs a filter found, and whether it was done to them."""

    count: int = Field(description="Number of runs to which it can be done.", examples=[12])
    done: bool = Field(description="Whether it was done.")
    most: int = Field(description="Maximum number of runs of one request.", examples=[MOST])
    frees_bytes: int | None = Field(
        default=None,
        description="Bytes in storage that are freed when what was deleted is removed; null unless it was deleted.",
    )


def cancellable(model: type[Run]) -> ColumnElement[bool]:
    """Whether a run has not ended, and is not being cancelled."""
    return model.state.not_in((*ENDED, RunState.CANCELLING))


def deletable() -> ColumnElement[bool]:
    """Whether a job and its evaluations have ended, and none of them is pinned."""
    kept = exists().where(
        Evaluation.job_id == Job.id,
        Evaluation.deleted_at.is_(None),
        or_(Evaluation.state.not_in(ENDED), Evaluation.pinned),
    )
    return (Job.state.in_(ENDED)) & not_(Job.pinned) & ~kept


def count(
    session: Session, model: type[Run], asked: Bulk, possible: ColumnElement[bool], *, tenant_id: str
) -> int:
    """The number of runs that are wanted and to which it can be done.

    Raises:
        InvalidRequestError: The filter is empty.
    """
    query = select(func.count()).select_from(model).where(*_conditions(model, asked, possible, tenant_id))
    return session.scalar(query) or 0


def chosen(
    session: Session, model: type[Kind], asked: Bulk, possible: ColumnElement[bool], *, tenant_id: str
) -> list[Kind]:
    """Lock and return the runs, if they are as many as expected.

    Raises:
        InvalidRequestError: The filter is empty.
        CountChangedError: There are more or fewer.
    """
    query = (
        select(model)
        .where(*_conditions(model, asked, possible, tenant_id))
        .order_by(model.id)
        .limit(MOST + 1)
    )
    found = session.scalars(query.options(lazyload("*")).with_for_update()).all()
    if len(found) != asked.expected:
        told = f"more than {MOST}" if len(found) > MOST else f"{len(found)}"
        raise CountChangedError(f"There are {told} such runs now, not {asked.expected}; nothing was done.")
    return list(found)


def _conditions(
    model: type[Run], asked: Bulk, possible: ColumnElement[bool], tenant_id: str
) -> list[ColumnElement[bool]]:
    if not asked.filter.key:
        expected = "a filter that wants something"
        raise InvalidRequestError(
            f"filter: got an empty one; expected {expected}.",
            errors=[{"field": "filter", "got": {}, "expected": expected}],
        )
    return [*asked.filter.conditions(model, tenant_id), model.deleted_at.is_(None), possible]
