"""Celery's pool of processes, but for one thing: a child that has ended is replaced at once.

Celery hears that a child ends by a pipe that closes a moment before the child can be reaped, takes it to be alive,
and looks again after five seconds. With a fresh child for each run that is the pause between two runs.
"""

from typing import Any

from celery.concurrency import prefork
from celery.concurrency.asynpool import AsynPool

REAP_SECONDS = 5.0
"""Within which a child that has closed its pipes is gone, however busy the machine."""


class PromptPool(AsynPool):
    """Waits for the child before it looks."""

    def _event_process_exit(self, hub: Any, proc: Any) -> None:
        proc.join(REAP_SECONDS)
        super()._event_process_exit(hub, proc)


class TaskPool(prefork.TaskPool):
    """For Celery's setting `worker_pool`."""

    Pool = PromptPool
