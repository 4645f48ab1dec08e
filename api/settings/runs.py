"""How runs are executed, and taken over when their worker disappears."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import ByteSize, Field, model_validator
from pydantic_settings import BaseSettings

Queue = Literal["cpu", "gpu"]
"""What a run requires of its worker."""


class RunSettings(BaseSettings):
    """Settings of workers and of the keeper."""

    queue: Queue = Field(
        default="cpu",
        description="Queue that new runs are sent to: every worker takes runs from `cpu`, only workers with a GPU "
        "from `gpu`.",
    )
    worker_queues: Literal["auto", "cpu", "gpu", "cpu,gpu"] = Field(
        default="auto",
        description="Queues that a worker takes runs from: `cpu`, `gpu`, `cpu,gpu`, or `auto` (`cpu`, and also "
        "`gpu` if the machine has one).",
    )
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="Device that runs compute on: `cpu`, `cuda`, `cuda:1`, ..., or `auto` (`cuda` if available).",
    )
    torch_threads: int = Field(
        default=1,
        ge=1,
        description="Number of CPU threads of a run. Learners are small: more threads help only with idle cores "
        "and large catalogues.",
    )
    tf32: bool = Field(
        default=False,
        description="Whether a GPU computes products of float32 matrices on its tensor cores, which round the factors "
        "to TF32 (10 bits of mantissa in place of 23). Faster for wide learners; no effect on a CPU.",
    )
    deterministic: bool = Field(
        default=False,
        description="Whether runs use deterministic algorithms only, so that a run repeated on the same GPU and "
        "versions ends the same. Slower and with more memory; an operation without such an algorithm fails the run.",
    )
    run_memory_bytes: ByteSize | None = Field(
        default=None,
        gt=0,
        description="Memory limit of a run, which fails with `out_of_memory` if it asks for more, including its "
        "libraries (RLIMIT_DATA of the process). Default: `TD3_RUN_MEMORY_SHARE` alone limits it.",
    )
    run_memory_share: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Share of the machine's memory, or of its control group's, that a run may use, if "
        "`TD3_RUN_MEMORY_BYTES` is not set; a run that uses more fails with `out_of_memory`.",
    )
    run_seconds: float = Field(
        default=3 * 86400,
        gt=0,
        description="Maximum number of seconds that a worker executes a run without interruption; one that takes "
        "longer fails with `time_limit_exceeded`.",
    )
    lease_seconds: float = Field(
        default=60,
        gt=0,
        description="Duration of a lease in seconds: a worker that does not renew its lease for this long loses "
        "its run.",
    )
    heartbeat_seconds: float = Field(
        default_factory=lambda known: min(10.0, known["lease_seconds"] / 3),
        gt=0,
        description="Interval in seconds at which a worker renews its lease; at most a third of the lease. "
        "Default: 10, or a third of a lease shorter than 30.",
    )
    sweep_seconds: float = Field(
        default=10,
        gt=0,
        description="Interval in seconds at which the keeper looks for expired leases, missed deadlines and unsent "
        "messages.",
    )
    resend_seconds: float = Field(
        default=300,
        gt=0,
        description="Seconds after which a queued run that no worker has claimed is sent to the broker again; "
        "doubles each time.",
    )
    checkpoint_seconds: float = Field(
        default=60,
        gt=0,
        description="Interval in seconds between the checkpoints of a run: about what is lost if its worker "
        "disappears.",
    )
    storage_patience_seconds: float = Field(
        default=3600,
        ge=0,
        description="Seconds that a run waits for a storage that is unavailable or full before it fails.",
    )
    preempt_after_seconds: float = Field(
        default=60,
        ge=0,
        description="Seconds for which a run is left alone after it was begun or continued; after that it makes room "
        "if a run of a higher class waits and every worker is busy, and goes on later.",
    )
    max_attempts: int = Field(
        default=3,
        ge=1,
        description="A run fails when this many workers in a row have disappeared without making progress on it.",
    )
    worker_retention_seconds: float = Field(
        default=86400,
        gt=0,
        description="Seconds for which a worker stays listed after its last heartbeat.",
    )

    @property
    def silent_after(self) -> timedelta:
        """How long a worker without a heartbeat counts as alive."""
        return timedelta(seconds=self.lease_seconds)

    @model_validator(mode="after")
    def _lease_outlives_a_lost_heartbeat(self) -> Self:
        if self.heartbeat_seconds > self.lease_seconds / 3:
            raise ValueError(
                f"TD3_HEARTBEAT_SECONDS={self.heartbeat_seconds:g} with TD3_LEASE_SECONDS={self.lease_seconds:g}: "
                "expected a heartbeat of at most a third of the lease, so that one late heartbeat does not lose it"
            )
        return self
