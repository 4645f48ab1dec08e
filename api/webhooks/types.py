"""Types of the events that webhooks are told of."""

from enum import StrEnum

from api.models import RunState
from api.runs.kinds import EventKind

TEST = "webhook.test"
"""Type of what a client has sent to try out an endpoint, whatever events it wants."""


class EventType(StrEnum):
    """An event of a run, named by kind of run and kind of event; or one of the webhooks of a project."""

    JOB_SUBMITTED = "job.submitted"
    JOB_CLAIMED = "job.claimed"
    JOB_PAUSED = "job.paused"
    JOB_SUCCEEDED = "job.succeeded"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    EVALUATION_SUBMITTED = "evaluation.submitted"
    EVALUATION_CLAIMED = "evaluation.claimed"
    EVALUATION_SUCCEEDED = "evaluation.succeeded"
    EVALUATION_FAILED = "evaluation.failed"
    EVALUATION_CANCELLED = "evaluation.cancelled"
    WEBHOOK_DISABLED = "webhook.disabled"
    """The service has switched off another endpoint of the project."""


ENDS = tuple(kind for kind in EventType if kind.endswith((".succeeded", ".failed", ".cancelled")))
"""Types of the last events of runs."""
DEFAULT = (*ENDS, EventType.WEBHOOK_DISABLED)
"""What an endpoint is told of unless it wants something else."""

STATE_AFTER = {
    EventKind.SUBMITTED: RunState.QUEUED,
    EventKind.CLAIMED: RunState.RUNNING,
    EventKind.PAUSED: RunState.PAUSED,
    EventKind.SUCCEEDED: RunState.SUCCEEDED,
    EventKind.FAILED: RunState.FAILED,
    EventKind.CANCELLED: RunState.CANCELLED,
}
"""Kinds of events that webhooks can be told of -> state of the run after them."""

_BY_KIND = {
    (run_kind, kind): EventType(f"{run_kind}.{kind}")
    for run_kind in ("job", "evaluation")
    for kind in STATE_AFTER
    if f"{run_kind}.{kind}" in frozenset(EventType)
}


def type_of(run_kind: str, kind: EventKind) -> EventType | None:
    """The type of an event of a run; None if nobody is told of it."""
    return _BY_KIND.get((run_kind, kind))
