"""Celery's process pool, changed so that a child that has ended is replaced at once.

Celery notices the end of a child by a pipe that closes a moment before the child can be reaped. It then considers the
child alive and checks again after five seconds, which would be a pause between two runs, as each run has a new child.

For the same reason a killed child's message is given up after a moment: until then, Celery takes no other.
"""

from typing import Any

from celery.concurrency import prefork
from celery.concurrency.asynpool import AsynPool

from worker.child import note_reaped

REAP_SECONDS = 5.0
"""Maximum time from the closing of the pipes to the end of a child, even on a busy machine."""
LOST_SECONDS = 0.2
"""How long after the end of a child its message may still be reported as done."""


class PromptPool(AsynPool):
    """Waits for the end of the child before it checks."""

    def _event_process_exit(self, hub: Any, proc: Any) -> None:
        proc.join(REAP_SECONDS)
        note_reaped(proc.pid, proc.exitcode)
        super()._event_process_exit(hub, proc)
        hub.call_later(2 * LOST_SECONDS, self.maintain_pool)


class TaskPool(prefork.TaskPool):
    """Value of Celery's setting `worker_pool`."""

    Pool = PromptPool
