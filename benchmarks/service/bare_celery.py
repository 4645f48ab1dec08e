"""`python -m benchmarks.service.bare_celery TASKS_PER_CHILD`: a worker of Celery alone, for tasks that do nothing.

As many people run it: acknowledged early, no results. The first and the last task say when they ran.
"""

import os
import sys
import time

import redis
from celery import Celery

NOTHING, MARK = "bare.nothing", "bare.mark"
TIMES = "bare_celery.times"


def make_app(broker_url: str) -> Celery:
    """Build the application that both sides share."""
    app = Celery("bare", broker=broker_url, set_as_current=False)
    app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)
    return app


def main(broker_url: str, tasks_per_child: int) -> None:
    """Run the worker."""
    app = make_app(broker_url)
    app.conf.worker_max_tasks_per_child = tasks_per_child

    @app.task(name=NOTHING)
    def nothing(number: int) -> None:
        """Do it."""

    @app.task(name=MARK)
    def mark() -> None:
        """Write down the time."""
        with redis.Redis.from_url(broker_url) as client:
            client.rpush(TIMES, time.time())

    app.worker_main(["--quiet", "worker", "--pool", "prefork", "--concurrency", "1"])


if __name__ == "__main__":
    main(os.environ["BROKER_URL"], int(sys.argv[1]))
