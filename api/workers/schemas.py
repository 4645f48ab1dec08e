"""What a client sees of a worker."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from api.workers.service import Seen, WorkerState


class WorkerOut(BaseModel):
    """A process that takes runs from the queue, one at a time."""

    id: str = Field(description="Also the `worker` of the events of its runs.", examples=["gpu-3/4711/9f3c"])
    state: WorkerState = Field(
        description="`silent`: not seen for as long as a lease lasts, so it was killed or cut off; its run goes to "
        "another. `stopped`: it said so itself."
    )
    host: str = Field(examples=["gpu-3"])
    pid: int = Field(examples=[4711])
    queues: list[str] = Field(description="What it takes runs from.", examples=[["cpu"]])
    device: str = Field(description="Where it computes, as it was told.", examples=["auto"])
    version: str = Field(examples=["0.1.0"])
    started_at: datetime
    seen_at: datetime = Field(description="Its last heartbeat.")
    runs: list[str] = Field(description="Ids of the jobs and evaluations that it holds.")

    @classmethod
    def of(cls, seen: Seen) -> "WorkerOut":
        """Shape what is known."""
        worker = seen.worker
        return cls(
            id=worker.id,
            state=seen.state,
            host=worker.host,
            pid=worker.pid,
            queues=worker.queues,
            device=worker.device,
            version=worker.version,
            started_at=worker.started_at,
            seen_at=worker.seen_at,
            runs=list(seen.runs),
        )


class Workers(BaseModel):
    """All that are known, the latest first."""

    items: list[WorkerOut]


WORKERS_EXAMPLE: dict[str, Any] = {
    "items": [
        {
            "id": "gpu-3/4711/9f3c",
            "state": "alive",
            "host": "gpu-3",
            "pid": 4711,
            "queues": ["cpu"],
            "device": "auto",
            "version": "0.1.0",
            "started_at": "2026-01-15T08:00:00Z",
            "seen_at": "2026-01-15T09:33:20Z",
            "runs": ["job_0199b2f0c3d47c7e9c3d7d3b8c9f1a2b"],
        }
    ]
}
