"""Response models of workers."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from api.workers.service import Seen, WorkerState


class GpuOut(BaseModel):
    """A GPU as its driver describes it: a whole one, or a part that MIG has cut off."""

    name: str = Field(description="Name of the model.", examples=["NVIDIA H100 80GB HBM3"])
    memory_used_bytes: int = Field(description="Memory in use, by any process.", examples=[3_229_614_080])
    memory_total_bytes: int = Field(description="Memory that it has.", examples=[85_520_809_984])
    driver: str = Field(description="Version of the driver.", examples=["580.95.05"])


class WorkerOut(BaseModel):
    """A process that takes runs from a queue and executes them, one at a time."""

    id: str = Field(
        description="Id of the worker, as in the `worker` of events.",
        examples=["worker_0199b2f0c3d47c7e9c3d7d3b8c9f1a2b"],
    )
    state: WorkerState = Field(
        description="`alive`: it sends heartbeats. `silent`: no heartbeat for the duration of a lease, so it was "
        "killed or disconnected, and its run goes to another worker. `stopped`: it has shut down."
    )
    host: str | None = Field(
        description="Host name of the machine; null without the scope `platform`.", examples=["gpu-3"]
    )
    pid: int | None = Field(description="Process id; null without the scope `platform`.", examples=[4711])
    queues: list[str] = Field(description="Queues that it takes runs from.", examples=[["cpu"]])
    device: str = Field(description="Device that it computes on, as configured.", examples=["auto"])
    gpu: GpuOut | None = Field(
        description="The GPU that it computes on, as of the last heartbeat. Null if it computes on a CPU, or if the "
        "driver could not be asked."
    )
    version: str = Field(description="Version of the service.", examples=["0.1.0"])
    started_at: datetime = Field(description="When it started.")
    seen_at: datetime = Field(description="Time of its last heartbeat.")
    runs: list[str] = Field(description="Ids of the jobs and evaluations that it is running.")

    @classmethod
    def of(cls, seen: Seen, *, with_host: bool) -> "WorkerOut":
        """Build from a row and its runs."""
        worker = seen.worker
        return cls(
            id=worker.id,
            state=seen.state,
            host=worker.host if with_host else None,
            pid=worker.pid if with_host else None,
            queues=worker.queues,
            device=worker.device,
            gpu=GpuOut(**worker.gpu) if worker.gpu else None,
            version=worker.version,
            started_at=worker.started_at,
            seen_at=worker.seen_at,
            runs=list(seen.runs),
        )


class Workers(BaseModel):
    """All known workers, the latest first."""

    items: list[WorkerOut] = Field(description="The workers.")


WORKERS_EXAMPLE: dict[str, Any] = {
    "items": [
        {
            "id": "worker_0199b2f0c3d47c7e9c3d7d3b8c9f1a2b",
            "state": "alive",
            "host": "gpu-3",
            "pid": 4711,
            "queues": ["cpu"],
            "device": "auto",
            "gpu": {
                "name": "NVIDIA H100 80GB HBM3",
                "memory_used_bytes": 3_229_614_080,
                "memory_total_bytes": 85_520_809_984,
                "driver": "580.95.05",
            },
            "version": "0.1.0",
            "started_at": "2026-01-15T08:00:00Z",
            "seen_at": "2026-01-15T09:33:20Z",
            "runs": ["job_0199b2f0c3d47c7e9c3d7d3b8c9f1a2b"],
        }
    ]
}
