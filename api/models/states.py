"""The states of runs and deliveries, and the classes of runs."""

from enum import StrEnum


class RunState(StrEnum):
    """State of a run.

    `queued -> running -> succeeded | failed`; `running -> pausing -> paused -> queued`, and `queued -> paused`; and
    from every state that is not final `-> cancelling -> cancelled`, or directly to `cancelled` if no worker holds it.
    """

    QUEUED = "queued"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self in ENDED


ENDED = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)
HELD = (RunState.RUNNING, RunState.PAUSING, RunState.CANCELLING)


class Priority(StrEnum):
    """Class of a run: as long as one of a higher class waits, none of a lower one is begun."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def rank(self) -> int:
        """Its place among the classes: 0 for the highest."""
        return list(Priority).index(self)


class DeliveryState(StrEnum):
    """State of a delivery: `waiting -> delivered | failed`, and back to `waiting` if a client asks for it again."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
