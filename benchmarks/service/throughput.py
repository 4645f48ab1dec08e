"""Jobs a second through one worker, where a job is an empty task: the service, Celery alone, procrastinate.

Each is given all jobs first and then one worker that does one job at a time; what counts is the time from the first
job's beginning to the last one's end. What the service does for a job beyond the others: it claims the row, holds a
lease, and writes the end under its fence, each in a transaction that is on disk.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import redis
from sqlalchemy import func, select

from api.db import Database, now
from api.ids import new_id
from api.jobs.service import submit
from api.models import DEFAULT_TENANT, Dataset, Job
from api.outbox import Outbox
from api.queue import make_celery
from benchmarks.service import bare_celery
from benchmarks.service.deployment import empty_worker, servers, service_on
from embedded.broker import Broker
from embedded.process import ChildProcess
from td3core.config import JobSpec
from tests.support.servers.postgres import PostgresServer

RIVALS = Path(__file__).parents[2] / ".venv-rivals" / "bin" / "python"
ALL_IN_ONE_CHILD = 1_000_000
PATIENCE = 600.0


def measure(jobs: int, repeats: int) -> dict[str, list[float]]:
    """Jobs a second of each contender, `repeats` times in turn; those whose environment is missing are left out.

    Where each job has a process of its own, a tenth of the jobs will do.
    """
    few = max(jobs // 10, 2)
    contenders: Mapping[str, tuple[int, Callable[[Path, PostgresServer, Broker, int], float]]] = {
        "service, a process a job": (few, lambda *at: _service(*at, tasks_per_child=1)),
        "service, one process": (jobs, lambda *at: _service(*at, tasks_per_child=ALL_IN_ONE_CHILD)),
        "Celery alone, a process a task": (few, lambda *at: _celery(*at, tasks_per_child=1)),
        "Celery alone, one process": (jobs, lambda *at: _celery(*at, tasks_per_child=ALL_IN_ONE_CHILD)),
        **({"procrastinate, one process": (jobs, _procrastinate)} if RIVALS.exists() else {}),
    }
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    with tempfile.TemporaryDirectory(prefix="td3-bench-") as folder, servers(Path(folder)) as at:
        for _ in range(repeats):
            for number, (name, (count, seconds)) in enumerate(contenders.items()):
                rates[name].append(count / seconds(Path(folder) / str(number), *at, count))
    return rates


def _service(
    folder: Path, postgres: PostgresServer, broker: Broker, jobs: int, *, tasks_per_child: int
) -> float:
    _empty(broker)
    with postgres.database() as url, service_on(folder, url, broker.url) as service:
        database = Database(url)
        _queue_jobs(database, broker, jobs)
        with empty_worker(service, tasks_per_child=tasks_per_child) as worker:
            spans = select(func.count(Job.finished_at), func.max(Job.finished_at) - func.min(Job.started_at))

            def ended() -> float | None:
                with database.reading() as session:
                    done, span = session.execute(spans).one()
                return span.total_seconds() if done == jobs else None

            seconds = _wait(worker, ended)
        database.close()
    return seconds


def _queue_jobs(database: Database, broker: Broker, jobs: int) -> None:
    """Write and announce them as the API does."""
    with database.transaction() as session, make_celery(broker.url) as celery:
        dataset = Dataset(
            id=new_id("ds"),
            tenant_id=DEFAULT_TENANT,
            created_at=now(session),
            bytes=1,
            sha256="0" * 64,
            storage_key="none",
        )
        job_ids = [submit(session, dataset, JobSpec(seed=seed)).id for seed in range(jobs)]
        session.commit()
        Outbox(database, celery, resend=timedelta(hours=1)).deliver(job_ids)


def _celery(folder: Path, _: PostgresServer, broker: Broker, jobs: int, *, tasks_per_child: int) -> float:
    _empty(broker)
    environment = {**os.environ, "BROKER_URL": broker.url}
    with redis.Redis.from_url(broker.url) as client, bare_celery.make_app(broker.url) as app:
        app.send_task(bare_celery.MARK)
        for number in range(jobs):
            app.send_task(bare_celery.NOTHING, (number,))
        app.send_task(bare_celery.MARK)
        command = [sys.executable, "-m", "benchmarks.service.bare_celery", str(tasks_per_child)]
        worker = ChildProcess("celery", command, log=folder / "celery.log", env=environment)
        try:

            def ended() -> float | None:
                times = [float(at) for at in client.lrange(bare_celery.TIMES, 0, -1)]
                return times[1] - times[0] if len(times) == 2 else None

            return _wait(worker, ended)
        finally:
            worker.stop()


def _procrastinate(folder: Path, postgres: PostgresServer, _: Broker, jobs: int) -> float:
    script = Path(__file__).with_name("procrastinate_jobs.py")
    with postgres.database() as url:
        dsn = url.replace("postgresql+psycopg", "postgresql")
        done = subprocess.run(
            [RIVALS, script, dsn, str(jobs)], check=True, stdout=subprocess.PIPE, timeout=PATIENCE
        )
    return json.loads(done.stdout)["seconds"]


def _empty(broker: Broker) -> None:
    with redis.Redis.from_url(broker.url) as client:
        client.flushall()


def _wait(worker: ChildProcess, ended: Callable[[], float | None]) -> float:
    deadline = time.monotonic() + PATIENCE
    while (seconds := ended()) is None:
        worker.check_alive()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{worker.name} did not end; the end of its log:\n{worker.log_tail()}")
        time.sleep(0.1)
    return seconds
