"""Response models of events."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.runs.events import EventKind


class EventOut(BaseModel):
    """An event in the history of a run."""

    model_config = ConfigDict(from_attributes=True)

    seq: int = Field(description="Sequence number within the run: 1, 2, 3, ... without gaps.", examples=[4])
    at: datetime = Field(description="When it happened.")
    attempt: int = Field(
        description="Number of the attempt that it belongs to; 0 before the first.", examples=[1]
    )
    kind: str = Field(
        description=f"{', '.join(f'`{kind}`' for kind in EventKind)}; later versions may add kinds. `succeeded`, "
        "`failed` and `cancelled` are the last event of a run.",
        examples=["metrics"],
    )
    data: dict[str, Any] = Field(description="Details, which depend on the kind.")


class EventPage(BaseModel):
    """A page of the events of a run, oldest first."""

    items: list[EventOut] = Field(description="The events.")
    next_after: int = Field(description="Value of `after` for the next page.", examples=[4])
    ended: bool = Field(description="Whether the run has ended and this is its last page.")


_METRICS = {
    "stage": "distilling",
    "progress": 0.62,
    "step": 186,
    "steps": 300,
    "losses": {"outer": 6.31},
    "scores": {"ndcg@10": 0.102},
    "eta_seconds": 94.0,
}

EVENTS_EXAMPLE: list[dict[str, Any]] = [
    {"seq": 1, "at": "2026-01-15T09:30:00Z", "attempt": 0, "kind": "submitted", "data": {}},
    {
        "seq": 2,
        "at": "2026-01-15T09:30:01Z",
        "attempt": 1,
        "kind": "claimed",
        "data": {"worker": "worker_0199b2f0c3d47c7e9c3d7d3b8c9f1a2b"},
    },
    {"seq": 3, "at": "2026-01-15T09:33:20Z", "attempt": 1, "kind": "metrics", "data": _METRICS},
]

PAGE_EXAMPLE: dict[str, Any] = {"items": EVENTS_EXAMPLE, "next_after": 3, "ended": False}


def _sent(event: dict[str, Any]) -> str:
    return f"event: {event['kind']}\ndata: {EventOut(**event).model_dump_json()}\nid: {event['seq']}\n\n"


STREAM_EXAMPLE = "".join(_sent(event) for event in EVENTS_EXAMPLE)
