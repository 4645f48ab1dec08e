"""Parameters of lists of runs and of submissions: what is wanted, in which order, and how a new run is called."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query

from api.runs.annotations import MOST_LABELS, Name, Written, read_labels
from api.runs.filters import RunFilter, Sort


def _wanted(wanted: Annotated[RunFilter, Query()]) -> RunFilter:
    return wanted


Wanted = Annotated[RunFilter, Depends(_wanted)]
Order = Annotated[
    Sort,
    Query(
        description="Order of the list; `-` stands for the latest first. In the order of `finished_at`, only runs that "
        "have ended are listed."
    ),
]
Deleted = Annotated[
    bool, Query(description="List what is deleted and can be restored, in place of all that is not.")
]


@dataclass(frozen=True, slots=True)
class Notes:
    """Name and labels of a new run."""

    name: str | None
    labels: dict[str, str]

    @property
    def sent(self) -> tuple[object, ...]:
        """What tells a request from others by them; nothing if there are none, as before there were any."""
        return (self.name, self.labels) if self.name is not None or self.labels else ()


def _notes(
    name: Annotated[Name | None, Query(description="Name of the run, for people.")] = None,
    label: Annotated[
        Sequence[Written],
        Query(
            max_length=MOST_LABELS,
            description="Label of the run by which it is found again: `key:value`, or `key` with an empty value. May "
            "be repeated.",
            examples=[["team:ranking"]],
        ),
    ] = (),
) -> Notes:
    return Notes(name, read_labels(label, field="label"))


Noted = Annotated[Notes, Depends(_notes)]
