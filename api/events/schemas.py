"""What a client sees of an event."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.runs.events import EventKind


class EventOut(BaseModel):
    """Something that happened to a run."""

    model_config = ConfigDict(from_attributes=True)

    seq: int = Field(description="1, 2, 3, ... of each run, without gaps.", examples=[4])
    at: datetime
    attempt: int = Field(description="The attempt it belongs to; 0 before the first.", examples=[1])
    kind: str = Field(
        description=f"{', '.join(f'`{kind}`' for kind in EventKind)}; there may be more in time. `succeeded`, `failed` "
        "and `cancelled` are the last of a run.",
        examples=["metrics"],
    )
    data: dict[str, Any] = Field(description="What there is to tell, by kind.")


class EventPage(BaseModel):
    """Some of a run's events, oldest first."""

    items: list[EventOut]
    next_after: int = Field(description="Ask for `?after=` this next.", examples=[4])
    ended: bool = Field(description="Whether nothing will ever come after these.")


_METRICS = {
    "stage": "distilling",
    "progress": 0.62,
    "step": 186,
    "steps": 300,
    "losses": {"outer": 6.31, "ndcg@10": 0.102},
    "eta_seconds": 94.0,
}

EVENTS_EXAMPLE: list[dict[str, Any]] = [
    {"seq": 1, "at": "2026-01-15T09:30:00Z", "attempt": 0, "kind": "submitted", "data": {}},
    {
        "seq": 2,
        "at": "2026-01-15T09:30:01Z",
        "attempt": 1,
        "kind": "claimed",
        "data": {"worker": "gpu-3/4711"},
    },
    {"seq": 3, "at": "2026-01-15T09:33:20Z", "attempt": 1, "kind": "metrics", "data": _METRICS},
]

PAGE_EXAMPLE: dict[str, Any] = {"items": EVENTS_EXAMPLE, "next_after": 3, "ended": False}


def _sent(event: dict[str, Any]) -> str:
    return f"event: {event['kind']}\ndata: {EventOut(**event).model_dump_json()}\nid: {event['seq']}\n\n"


STREAM_EXAMPLE = "".join(_sent(event) for event in EVENTS_EXAMPLE)
