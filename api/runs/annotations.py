"""What clients note on a run to find it again: its name, its labels and its pin."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import delete, insert
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from api.audit import service as audit
from api.audit.service import Action
from api.errors import InvalidRequestError
from api.models import Label, Run

MOST_LABELS = 16
KEY = "[A-Za-z0-9][A-Za-z0-9._/-]{0,62}"
VALUE = r"[^\x00-\x1f\x7f]{0,100}"
PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
"""No control characters."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=PRINTABLE)]
Key = Annotated[str, StringConstraints(pattern=f"^{KEY}$")]
Value = Annotated[str, StringConstraints(max_length=100, pattern=f"^{VALUE}$")]
Written = Annotated[str, StringConstraints(max_length=164, pattern=f"^{KEY}(:{VALUE})?$")]
"""A label as a text, `key:value`; a key alone has an empty value."""


class RunChange(BaseModel):
    """What to change of a run; what is left out stays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name | None = Field(default=None, description="Name of the run, for people; null removes it.")
    labels: dict[Key, Value | None] = Field(
        default={},
        max_length=2 * MOST_LABELS,
        description=f"Labels to set, by key; null removes one, and those that are not named stay. A run has at most "
        f"{MOST_LABELS}.",
        examples=[{"team": "ranking", "draft": None}],
    )
    pinned: bool = Field(
        default=False, description="Whether retention keeps what the run uses and what it made."
    )


def read_labels(written: Iterable[str], *, field: str) -> dict[str, str]:
    """Read labels that are written as `key:value`.

    Raises:
        InvalidRequestError: There are too many, or a key is there twice.
    """
    labels: dict[str, str] = {}
    for text in written:
        key, _, value = text.partition(":")
        if key in labels:
            raise _refused(field, text, f"one label with the key {key!r}")
        labels[key] = value
    _check_number(labels, field)
    return labels


def annotate(session: Session, run: Run, *, name: str | None, labels: Mapping[str, str]) -> None:
    """Give name and labels to a run that is about to be added."""
    run.name = name
    if labels:
        session.flush()
        _write(session, run, labels)
    rows = [
        Label(run_id=run.id, key=key, tenant_id=run.tenant_id, value=labels[key]) for key in sorted(labels)
    ]
    set_committed_value(run, "label_rows", rows)  # spares a query


def change(session: Session, run: Run, wanted: RunChange, *, action: Action) -> None:
    """Change what is given, and record it if it is another; the row is locked.

    Raises:
        InvalidRequestError: The run would have too many labels.
    """
    before = _noted(run)
    after = before | {name: getattr(wanted, name) for name in wanted.model_fields_set - {"labels"}}
    labels = {key: value for key, value in (run.labels | wanted.labels).items() if value is not None}
    _check_number(labels, "labels")
    after["labels"] = labels
    if after == before:
        return
    run.name, run.pinned = after["name"], after["pinned"]
    if labels != run.labels:
        session.execute(delete(Label).where(Label.run_id == run.id))
        _write(session, run, labels)
        session.flush()
        session.expire(run, ["label_rows"])
    changed = [name for name, value in after.items() if value != before[name]]
    audit.record(
        session,
        action,
        run.id,
        tenant_id=run.tenant_id,
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
    )


def _noted(run: Run) -> dict[str, Any]:
    return {"name": run.name, "labels": run.labels, "pinned": run.pinned}


def _write(session: Session, run: Run, labels: Mapping[str, str]) -> None:
    rows = [
        {"run_id": run.id, "key": key, "tenant_id": run.tenant_id, "value": value}
        for key, value in labels.items()
    ]
    if rows:
        session.execute(insert(Label), rows)


def _check_number(labels: Mapping[str, str], field: str) -> None:
    if len(labels) > MOST_LABELS:
        raise _refused(field, f"{len(labels)} labels", f"at most {MOST_LABELS} labels")


def _refused(field: str, got: str, expected: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{field}: got {got!r}; expected {expected}.",
        errors=[{"field": field, "got": got, "expected": expected}],
    )
