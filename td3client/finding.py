"""Which jobs or evaluations a list has, and in which order."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, TypedDict

Order = Literal["created_at", "-created_at", "finished_at", "-finished_at"]


class RunFilter(TypedDict, total=False):
    """What is wanted of a run: all that is given.

    Of a field with several values any is wanted, but of `label` all are, and of a field that begins with `not_` none.
    """

    state: Sequence[str]
    not_state: Sequence[str]
    label: Sequence[str]
    """`key:value`, or `key` with any value."""
    not_label: Sequence[str]
    dataset: Sequence[str]
    """File name, SHA-256 or id of the log."""
    not_dataset: Sequence[str]
    created_by: Sequence[str]
    """Id of the API key that it was submitted with."""
    not_created_by: Sequence[str]
    error: Sequence[str]
    """Code of the error that it failed with."""
    not_error: Sequence[str]
    created_since: datetime | str
    """With a time zone, as all moments; what lies before it is not listed."""
    created_until: datetime | str
    """What was submitted then or later is not listed."""
    finished_since: datetime | str
    finished_until: datetime | str
    deleted: bool
    """List what is deleted and can be restored, in place of all that is not."""
    sort: Order
    """Order of the list: the latest first with `-`; in that of `finished_at`, only what has ended."""


def parameters(wanted: RunFilter) -> dict[str, Any]:
    """Return the parameters of a request.

    Raises:
        TypeError: There is no such filter. The service would not mind, and answer with too many.
    """
    if unknown := sorted(wanted.keys() - RunFilter.__annotations__.keys()):
        raise TypeError(
            f"unknown filter {unknown[0]!r}; expected one of {', '.join(RunFilter.__annotations__)}"
        )
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in wanted.items()
        if value not in (None, (), [], False)
    }
