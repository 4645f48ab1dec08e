import sys
from pathlib import Path

import pytest
import redis

from api.queue import make_celery
from embedded.process import ChildProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

RUNS = 8
WORKER = """
import os, sys
import redis
from api.queue import make_celery
from worker.pool import PromptPool, TaskPool

class WithoutTimer(PromptPool):
    timers = {}

class Pool(TaskPool):
    Pool = WithoutTimer

app = make_celery(sys.argv[1])
app.conf.worker_pool = Pool

@app.task(name="note")
def note():
    redis.Redis.from_url(sys.argv[1]).rpush("children", os.getpid())

app.worker_main(["--quiet", "worker", "--pool", "prefork"])
"""


def test_each_run_gets_a_child_of_its_own_though_nothing_looks_for_dead_ones_now_and_then(
    broker_url: str, tmp_path: Path
) -> None:
    with redis.Redis.from_url(broker_url) as broker, make_celery(broker_url) as celery:
        for _ in range(RUNS):
            celery.send_task("note")
        worker = ChildProcess("worker", [sys.executable, "-c", WORKER, broker_url], log=tmp_path / "log")
        try:
            wait_until(lambda: broker.llen("children") == RUNS, seconds=60)
        finally:
            worker.stop()
        assert len(set(broker.lrange("children", 0, -1))) == RUNS
