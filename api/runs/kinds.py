"""Kinds of the events of a run."""

from enum import StrEnum


class EventKind(StrEnum):
    """Kinds of events."""

    SUBMITTED = "submitted"
    READING = "reading"
    """The log was read to its end; `data` is the report."""
    CLAIMED = "claimed"
    STAGE = "stage"
    METRICS = "metrics"
    WARNING = "warning"
    LEASE_EXPIRED = "lease_expired"
    HANDED_BACK = "handed_back"
    PREEMPTED = "preempted"
    """Its worker has handed the run back to execute one of a higher class."""
    CHECKPOINT = "checkpoint"
    RESTORED = "restored"
    """An attempt continues from a checkpoint."""
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMED = "resumed"
    """A client resumed the run."""
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


LAST = frozenset((EventKind.SUCCEEDED, EventKind.FAILED, EventKind.CANCELLED))
"""Kinds that are the last event of a run."""
