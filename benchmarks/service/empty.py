"""`python -m benchmarks.service.empty TASKS_PER_CHILD`: a worker whose jobs are claimed and finished, nothing else."""

import sys

from celery.signals import setup_logging

from api.models import Job
from api.queue import QUEUE, make_celery
from api.runs import claims
from api.settings import load_settings
from api.telemetry.logs import configure_logging
from worker.execute import Attempt, Finish, execute
from worker.pool import TaskPool

settings = load_settings()
app = make_celery(settings.required_broker_url)
app.conf.worker_pool = TaskPool


@setup_logging.connect
def _set_up_logging(**_: object) -> None:
    configure_logging(level=settings.log_level, style=settings.log_format)


def nothing(attempt: Attempt) -> Finish:
    """Come to the end at once."""
    return claims.succeed


@app.task(name=Job.task)
def distil(run_id: str) -> None:
    """Claim the job, hold its lease, and finish it."""
    execute(Job, run_id, {Job: nothing}, settings=settings, worker="empty")


if __name__ == "__main__":
    app.conf.worker_max_tasks_per_child = int(sys.argv[1])
    app.worker_main(["--quiet", "worker", "--queues", QUEUE, "--pool", "prefork", "--concurrency", "1"])
