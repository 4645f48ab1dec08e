"""A deployment of real processes that a test may treat badly: API, workers, keepers, broker and database."""

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import MetaData, func, select, text

from api.db import Database
from api.migrate import upgrade
from api.models import Event, Job, RunState
from api.runs.events import EventKind
from embedded.broker import Broker, start_broker
from embedded.process import ChildProcess, free_port
from embedded.service import command
from tests.support.servers.postgres import PostgresProcess, PostgresServer
from tests.support.waiting import wait_until

PATIENCE = 240.0
"""Seconds within which whatever is to happen happens, on a machine that is busy with other things."""

BRISK = {
    "TD3_LEASE_SECONDS": "20",
    "TD3_HEARTBEAT_SECONDS": "1",
    "TD3_SWEEP_SECONDS": "0.3",
    "TD3_RESEND_SECONDS": "2",
    "TD3_MAX_ATTEMPTS": "1000",
    "TD3_TORCH_THREADS": "1",
    "TD3_DEVICE": "cpu",
    "TD3_LOG_FORMAT": "json",
    "OMP_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}
"""What is lost is looked for in seconds, and no number of workers that vanish makes a job fail."""
SHORT_LEASE = {"TD3_LEASE_SECONDS": "4", "TD3_HEARTBEAT_SECONDS": "0.5"}
"""A worker that vanishes is noticed in seconds; one on a busy machine may seem to."""

WITNESS = """
CREATE TABLE witness (number bigserial, run_id text, state text);
CREATE FUNCTION testify() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO witness (run_id, state) VALUES (NEW.id, NEW.state); RETURN NEW; END $$;
CREATE TRIGGER witness AFTER UPDATE ON jobs FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
    EXECUTE FUNCTION testify();
"""
"""The database itself writes down each change of a job's state that is committed, whoever made it."""

HEALTH = {"workers", "alembic_version"}
"""Tables that say nothing of jobs."""


class Fleet:
    """Its processes by name: `api`, `worker-1`, `keeper-2`, ...; all end with the test."""

    def __init__(self, folder: Path, postgres: PostgresProcess, database_url: str, stack: ExitStack) -> None:
        self.folder = folder
        self.postgres = postgres
        self.database = Database(database_url)
        self.storage_dir = folder / "storage"
        self._stack = stack
        self._children: dict[str, ChildProcess] = {}
        stack.callback(self.database.close)
        upgrade(self.database.engine)
        with self.database.transaction() as session:
            session.execute(text(WITNESS))
        self.broker = self._start_broker()
        port = free_port()
        self.api = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30))
        own = {name: value for name, value in os.environ.items() if not name.startswith("TD3_")}
        self.environment = own | BRISK | {
            "TD3_PORT": str(port),
            "TD3_DATA_DIR": str(folder / "data"),
            "TD3_DATABASE_URL": database_url,
            "TD3_BROKER_URL": self.broker.url,
            "TD3_STORAGE_URL": self.storage_dir.as_uri(),
        }  # fmt: skip

    def start(self, name: str, *, through: Sequence[str] = (), **environment: str) -> ChildProcess:
        """Start a process, `through` a command that runs it if there is one, and with some more `environment`."""
        role = name.partition("-")[0]
        arguments = ["--name", f"{name}@fleet"] if role == "worker" else []
        child = ChildProcess(
            name,
            [*through, *command(role), *arguments],
            log=self.folder / "logs" / f"{name}.log",
            env=self.environment | environment,
        )
        self._children[name] = child
        self._stack.callback(child.stop, grace=0)
        if role == "api":
            self.wait_for_api()
        return child

    def wait_for_api(self) -> None:
        """Return when the API can serve."""

        def ready() -> bool:
            self._children["api"].check_alive()
            try:
                return self.api.get("/readyz").is_success
            except httpx.TransportError:
                return False

        wait_until(ready, seconds=PATIENCE)

    def family(self, name: str) -> list[psutil.Process]:
        """The process and all that it started."""
        main = psutil.Process(self._children[name].pid)
        return [main, *main.children(recursive=True)]

    def kill(self, name: str) -> None:
        """SIGKILL the process; what it started must end with it."""
        children = self.family(name)[1:]
        self._children[name].kill()
        _, alive = psutil.wait_procs(children, timeout=PATIENCE)
        assert alive == [], f"children outlive {name}"

    def freeze(self, name: str) -> Callable[[], None]:
        """SIGSTOP the process and all that it started; return what lets them go on."""
        family = self.family(name)
        for process in family:
            process.send_signal(signal.SIGSTOP)

        def thaw() -> None:
            for process in family:
                process.send_signal(signal.SIGCONT)

        return thaw

    def stop(self, name: str) -> None:
        """Tell the process to end, and wait until it has."""
        self._children[name].stop(grace=30)

    def crash_broker(self) -> None:
        """SIGKILL Valkey, which keeps nothing on disk, and start an empty one in its place."""
        self.broker.process.kill()
        self.broker = self._start_broker(self.broker)

    def log(self, name: str) -> str:
        """What the processes of this name wrote."""
        return self._children[name].log.read_text(errors="replace")

    def submit(self, log: Path, spec: Mapping[str, Any], **headers: str) -> httpx.Response:
        """Send a log and its spec."""
        files = {"dataset": (log.name, log.read_bytes())}
        return self.api.post("/jobs", files=files, data={"spec": json.dumps(spec)}, headers=headers)

    def job(self, job_id: str) -> Job:
        """The row as it is now."""
        with self.database.reading() as session:
            return session.get_one(Job, job_id)

    def jobs(self) -> list[Job]:
        """All of them, in the order in which they came."""
        with self.database.reading() as session:
            return list(session.scalars(select(Job).order_by(Job.id)))

    def unfinished(self) -> list[Job]:
        """Those that wait or run."""
        return [job for job in self.jobs() if not job.state.ended]

    def wait_for_step(self, job_id: str) -> None:
        """Return when the job is in the middle of its distillation."""

        def arrived() -> bool:
            job = self.job(job_id)
            assert not job.state.ended, job.error
            return job.stage == "distilling" and job.step > 0

        wait_until(arrived, seconds=PATIENCE)

    def wait_for_all(self, *, seconds: float = PATIENCE) -> None:
        """Return when nothing waits or runs any more."""
        wait_until(lambda: not self.unfinished(), seconds=seconds)

    def ends_of(self, job_id: str) -> list[str]:
        """The states in which the job ended, as the database saw them: one, unless something is wrong."""
        with self.database.reading() as session:
            states = session.scalars(
                text("SELECT state FROM witness WHERE run_id = :id ORDER BY number"), {"id": job_id}
            )
            return [state for state in states if RunState(state).ended]

    def leases_run_out(self) -> int:
        """How often a worker vanished, or was taken for vanished, in all jobs."""
        with self.database.reading() as session:
            lost = select(func.count()).where(Event.kind == EventKind.LEASE_EXPIRED)
            return session.scalar(lost) or 0

    def check_succeeded_once(self, job_id: str, archive: bytes) -> None:
        """The job ended once, with this summary, which can be downloaded."""
        job = self.job(job_id)
        assert self.ends_of(job_id) == [job.state] == [RunState.SUCCEEDED], job.error
        assert self.api.get(f"/jobs/{job_id}/summary").content == archive

    def traces(self) -> dict[str, Any]:
        """All that a worker can leave behind: rows and stored files."""
        tables = MetaData()
        tables.reflect(self.database.engine)
        with self.database.reading() as session:
            found: dict[str, Any] = {
                table.name: sorted(map(repr, session.execute(select(table))))
                for table in tables.sorted_tables
                if table.name not in HEALTH
            }
        files = sorted(path for path in self.storage_dir.rglob("*") if path.is_file())
        return found | {"files": {str(path): path.read_bytes() for path in files}}

    def _start_broker(self, former: Broker | None = None) -> Broker:
        folder = self.folder / "broker"
        broker = start_broker(
            folder,
            log=self.folder / "logs" / "broker.log",
            durable=False,
            port=former and former.port,
            password=former and former.password,
        )
        self._stack.callback(broker.process.stop)
        return broker


@contextmanager
def running_fleet(folder: Path, postgres: PostgresProcess) -> Iterator[Fleet]:
    """A broker, and a database whose commits outlive crashes; the test starts the rest."""
    with PostgresServer(postgres.url).database() as url, ExitStack() as stack:
        yield Fleet(folder, postgres, url, stack)
