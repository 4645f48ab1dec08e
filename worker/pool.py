"""Celery's process pool, changed so that a child that has ended is replaced at once.

Celery notices the end of a child by a pipe that closes a moment before the child can be reaped. It then considers the
child alive and checks again after five seconds, which would be a pause between two runs, as each run has a new child.
"""

from typing import Any

from celery.concurrency import prefork
from celery.concurrency.asynpool import AsynPool

REAP_SECONDS = 5.0
"""Maximum time from the closing of the pipes to the end of a child, even on a busy machine."""


class PromptPool(AsynPool):
    """Waits for the end of the child before it checks."""

    def _event_process_exit(self, hub: Any, proc: Any) -> None:
        proc.join(REAP_SECONDS)
        super()._event_process_exit(hub, proc)


class TaskPool(prefork.TaskPool):
    """Value of Celery's setting `worker_pool`."""

    Pool = PromptPool
