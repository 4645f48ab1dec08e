"""JSON objects that hold a list of interactions each, such as a session with its events."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import polars as pl

from td3core.errors import LogProblem, MissingColumnError

Record = dict[str, object]


@dataclass(frozen=True, slots=True)
class Events:
    """The list whose objects are interactions, and the keys that are taken from them.

    All other keys are those of the object around the list. Where both have a key, that of the event counts.
    """

    name: str
    keys: frozenset[str]

    def flattened(self, record: Record, line: int, names: Iterable[str]) -> list[Record] | LogProblem:
        """Return an object for each event, with the keys in `names`; or what is wrong."""
        events = record.get(self.name)
        if not isinstance(events, list):
            reason = f"expected a list of objects in {self.name!r}, as data.events says"
            return LogProblem(reason, line, self.name, field="data.events")
        found: list[Record] = []
        for number, event in enumerate(cast(list[object], events), start=1):
            if not isinstance(event, dict):
                reason = f"event {number} is not an object, as data.events says"
                return LogProblem(reason, line, self.name, field="data.events")
            of_event = cast(Record, event)
            if late := [name for name in names if name not in self.keys and name in of_event]:
                reason = "an event has this key, which those of the first objects lack"
                return LogProblem(reason, line, late[0], field="data.events")
            found.append({name: (of_event if name in self.keys else record).get(name) for name in names})
        return found

    def schema(self, names: Sequence[str]) -> dict[str, pl.DataType]:
        """Return the type of an object with the columns in `names`."""
        inner = pl.Struct({name: pl.String() for name in names if name in self.keys})
        outer = {name: pl.String() for name in names if name not in self.keys}
        return {**outer, self.name: pl.List(inner)}

    def exploded(self, frame: pl.DataFrame) -> pl.DataFrame | None:
        """Return a row for each event; None if a list is missing, or an event is no object."""
        if frame[self.name].has_nulls():
            return None
        rows = frame.filter(pl.col(self.name).list.len() > 0).explode(self.name)
        return None if rows[self.name].has_nulls() else rows.unnest(self.name)


def find_events(name: str, records: Sequence[Record]) -> Events:
    """Return the list with this name, as the first objects have it.

    Raises:
        MissingColumnError: None of them has such a list of objects.
    """
    keys = keys_of_events(name, records)
    if not keys:
        shown = ", ".join(list(dict.fromkeys(key for record in records for key in record))[:40])
        raise MissingColumnError(
            f"no object has a list of objects named {name!r}, but data.events names it (keys of the log: {shown})",
            [LogProblem("no object has a list of objects with this name", field="data.events", value=name)],
        )
    return Events(name, keys)


def keys_of_events(name: str, records: Sequence[Record]) -> frozenset[str]:
    """Return the keys of the objects in the lists with this name."""
    lists = (record.get(name) for record in records)
    return frozenset(
        key
        for events in lists
        if isinstance(events, list)
        for event in cast(list[object], events)
        if isinstance(event, dict)
        for key in cast(Record, event)
    )
