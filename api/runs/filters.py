"""Finding runs: which are wanted, and in which order."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.idempotency.keys import digest
from api.models import Dataset, Job, Label, Run, RunState
from api.moments import Moment
from api.pages import RowPage, page_by
from api.runs.annotations import PRINTABLE, Written

Kind = TypeVar("Kind", bound=Run)

MOST = 20
"""Maximum number of values of one field."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=PRINTABLE)]
States = Annotated[tuple[RunState, ...], Field(max_length=MOST)]
Labels = Annotated[tuple[Written, ...], Field(max_length=MOST)]
Texts = Annotated[tuple[Text, ...], Field(max_length=MOST)]

_LABEL = "`key:value`, or `key` with any value"
_DATASET = "file name, SHA-256 or id of the log"


class RunFilter(BaseModel):
    """Which runs are wanted: those to which all fields apply that are given.

    A field with several values wants any of them, but `label` wants all. A field that begins with `not_` wants none of
    its values.
    """

    model_config = ConfigDict(frozen=True)

    state: States = Field(default=(), description="Only runs in one of these states.", examples=[["running"]])
    not_state: States = Field(default=(), description="Only runs in none of these states.")
    label: Labels = Field(
        default=(), description=f"Only runs with all of these labels: {_LABEL}.", examples=[["team:ranking"]]
    )
    not_label: Labels = Field(default=(), description=f"Only runs with none of these labels: {_LABEL}.")
    dataset: Texts = Field(default=(), description=f"Only runs on one of these logs: {_DATASET}.")
    not_dataset: Texts = Field(default=(), description=f"Only runs on none of these logs: {_DATASET}.")
    created_by: Texts = Field(
        default=(), description="Only runs that were submitted by one of the API keys or users of these ids."
    )
    not_created_by: Texts = Field(
        default=(), description="Only runs that were submitted by none of the API keys or users of these ids."
    )
    error: Texts = Field(
        default=(), description="Only runs that failed with one of these codes.", examples=[["worker_lost"]]
    )
    not_error: Texts = Field(
        default=(), description="Only runs that failed with none of these codes, or did not fail."
    )
    created_since: Moment | None = Field(
        default=None, description="Only runs that were submitted at this time or later, with a time zone."
    )
    created_until: Moment | None = Field(
        default=None, description="Only runs that were submitted before this time, with a time zone."
    )
    finished_since: Moment | None = Field(
        default=None, description="Only runs that ended at this time or later, with a time zone."
    )
    finished_until: Moment | None = Field(
        default=None, description="Only runs that ended before this time, with a time zone."
    )

    @property
    def key(self) -> dict[str, Any]:
        """What two filters share that want the same: all fields that are given, whatever the order of their values."""
        given: dict[str, Any] = self.model_dump(mode="json", exclude_defaults=True)
        return {name: sorted(value) if isinstance(value, list) else value for name, value in given.items()}

    def conditions(self, model: type[Run], tenant_id: str) -> list[ColumnElement[bool]]:
        """What is true of the rows that are wanted."""
        found = [model.tenant_id == tenant_id]
        if self.state:
            found.append(model.state.in_(self.state))
        if self.not_state:
            found.append(model.state.not_in(self.not_state))
        found += [model.id.in_(_labelled(label, tenant_id)) for label in self.label]
        found += [model.id.not_in(_labelled(label, tenant_id)) for label in self.not_label]
        if self.dataset:
            found.append(_on(model, self.dataset, tenant_id))
        if self.not_dataset:
            found.append(~_on(model, self.not_dataset, tenant_id))
        if self.created_by:
            found.append(model.created_by.in_(self.created_by))
        if self.not_created_by:
            found.append(or_(model.created_by.is_(None), model.created_by.not_in(self.not_created_by)))
        code = model.error["code"].as_string()
        if self.error:  # the state spares a look at the errors of others
            found.append(and_(model.state == RunState.FAILED, code.in_(self.error)))
        if self.not_error:
            found.append(or_(model.state != RunState.FAILED, code.is_(None), code.not_in(self.not_error)))
        if self.created_since is not None:
            found.append(model.created_at >= self.created_since)
        if self.created_until is not None:
            found.append(model.created_at < self.created_until)
        if self.finished_since is not None:
            found.append(model.finished_at >= self.finished_since)
        if self.finished_until is not None:
            found.append(model.finished_at < self.finished_until)
        return found


class Sort(StrEnum):
    """The order of a list; `-` stands for the latest first."""

    CREATED = "created_at"
    LATEST_CREATED = "-created_at"
    FINISHED = "finished_at"
    LATEST_FINISHED = "-finished_at"


def page(
    session: Session,
    model: type[Kind],
    wanted: RunFilter,
    sort: Sort,
    *,
    tenant_id: str,
    job_id: str | None = None,
    deleted: bool = False,
    limit: int,
    cursor: str | None,
) -> RowPage[Kind]:
    """List the runs of this tenant that are wanted; in the order of their end, only those that have ended.

    Args:
        session: A session.
        model: The kind of the runs.
        wanted: Which are listed.
        sort: Their order.
        tenant_id: Their owner.
        job_id: List only the runs on the summary of this job.
        deleted: List the runs that are deleted, in place of the others.
        limit: Maximum number of rows.
        cursor: Where the page begins.

    Raises:
        InvalidCursorError: The cursor is invalid, or that of another list.
    """
    query = select(model).where(*wanted.conditions(model, tenant_id))
    query = query.where(model.deleted_at.is_not(None) if deleted else model.deleted_at.is_(None))
    if job_id is not None:
        query = query.where(getattr(model, model.job_column) == job_id)
    name = sort.removeprefix("-")
    moment: InstrumentedAttribute[datetime | None] = getattr(model, name)
    return page_by(
        session,
        query,
        model,
        moment,
        descending=name != sort,
        of=digest(model.kind, tenant_id, job_id, deleted, sort, wanted.key)[:12],
        limit=limit,
        cursor=cursor,
    )


def _labelled(written: str, tenant_id: str) -> Select[str]:
    """The ids of the runs with a label."""
    key, valued, value = written.partition(":")
    query = select(Label.run_id).where(Label.tenant_id == tenant_id, Label.key == key)
    return query.where(Label.value == value) if valued else query


def _on(model: type[Run], logs: tuple[str, ...], tenant_id: str) -> ColumnElement[bool]:
    """Whether a run is on one of the logs."""
    named = or_(*(column.in_(logs) for column in (Dataset.id, Dataset.name, Dataset.sha256)))
    datasets = select(Dataset.id).where(Dataset.tenant_id == tenant_id, named)
    if model is Job:
        return Job.dataset_id.in_(datasets)
    return getattr(model, model.job_column).in_(select(Job.id).where(Job.dataset_id.in_(datasets)))
