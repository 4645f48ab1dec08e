"""The Celery application of the worker. `python -m worker` runs it with our settings."""

import os
from typing import Any

import structlog
from celery.signals import (
    setup_logging,
    worker_process_init,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)

from api.models import RUN_KINDS, Evaluation, Job, Run
from api.queue import make_celery
from api.settings import load_settings
from api.telemetry.logs import configure_logging
from api.telemetry.tracing import configure_tracing
from worker.announcements import Announcements
from worker.distil import distil_job
from worker.evaluate import evaluate_job
from worker.execute import Handler, execute
from worker.guard import Guard
from worker.main_database import MainDatabase
from worker.memory import be_first_to_end
from worker.pool import LOST_SECONDS, TaskPool
from worker.presence import Presence, new_worker_id
from worker.requests import requests_of
from worker.resources import limit_memory
from worker.stopping import request_stop

HANDLERS: dict[type[Run], Handler] = {Job: distil_job, Evaluation: evaluate_job}
"""How each kind of run is executed."""

settings = load_settings()
app = make_celery(settings.required_broker_url, settings.queue)
app.conf.worker_pool = TaskPool
app.conf.worker_lost_wait = LOST_SECONDS
_main_pid = os.getpid()
worker_id = new_worker_id()
main_database = MainDatabase(settings)
announcements = Announcements()
presence = Presence(worker_id, settings, main_database)
guard = Guard(settings, main_database, announcements)

log = structlog.get_logger(__name__)


@setup_logging.connect
def _set_up_logging(**_: object) -> None:
    configure_logging(level=settings.log_level, style=settings.log_format)


@worker_shutting_down.connect
def _stop_the_run(**_: object) -> None:
    """Hand the run back, because a warm shutdown would wait for its end for hours."""
    request_stop()


@worker_process_init.connect
def _begin_child(**_: object) -> None:
    """Exit if the worker has ended already, and see to it that a run does not take the memory of the machine.

    Celery has just asked the kernel to kill this child when its parent ends (PR_SET_PDEATHSIG), which has no effect if
    the parent ended before that.
    """
    if os.getppid() != _main_pid:
        os._exit(1)
    limit_memory(settings)
    be_first_to_end()


@worker_process_init.connect
def _set_up_tracing(**_: object) -> None:
    """Set up tracing in the child, because the thread that exports spans is not inherited."""
    configure_tracing(settings, process="worker")


@worker_ready.connect
def _appear(sender: Any, **_: object) -> None:
    presence.start(list(sender.app.amqp.queues.consume_from))
    guard.start()


@worker_shutdown.connect
def _disappear(**_: object) -> None:
    guard.stop()
    presence.stop()


def _register(model: type[Run]) -> None:
    request = requests_of(model, main_database, max_attempts=settings.max_attempts)

    @app.task(name=model.task, Request=request)
    def run(run_id: str) -> None:
        """Execute the run whose turn it is, which need not be the one that this was sent for."""
        execute(
            model,
            run_id,
            HANDLERS,
            settings=settings,
            worker=worker_id,
            announce=announcements.announce,
        )


for kind in RUN_KINDS:
    _register(kind)
