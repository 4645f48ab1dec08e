"""A rolling upgrade: processes of the previous release and of this one share a database, a queue and a storage."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from embedded.process import ChildProcess, free_port
from td3core import load_summary
from td3core.data.sample import generate_sample_log
from td3core.version import VERSION
from tests.formats.previous import ROOT, checkout, previous_release
from tests.formats.write import SPEC
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

LONG = {**SPEC, "outer": {**SPEC["outer"], "steps": 200, "validate_every": 100}}
EVALUATION = {"seeds": 1, "cutoffs": [10], "sources": ["full", "summary", "floor"]}
MODULES = {"migrate": "api.migrate", "api": "api", "worker": "worker", "keeper": "worker.keeper"}


class Release:
    """Starts processes of one version of the code on the shared parts."""

    def __init__(
        self, version: str, code: Path, folder: Path, settings: dict[str, str], stack: ExitStack
    ) -> None:
        self.version, self._folder, self._stack = version, folder, stack
        self.revision = max(path.name[:4] for path in (code / "migrations" / "versions").glob("[0-9]*.py"))
        self._port = free_port()
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("TD3_")}
        # Only this version's code is found: not that of the working directory, nor the installed one.
        self._environment = inherited | {"PYTHONPATH": str(code), "PYTHONSAFEPATH": "1"} | settings
        self._environment |= {"TD3_DATA_DIR": str(folder / version), "TD3_PORT": str(self._port)}
        self.code = code

    def start(self, process: str, *arguments: str) -> ChildProcess:
        child = ChildProcess(
            f"{self.version}-{process}",
            [sys.executable, "-m", MODULES[process], *arguments],
            log=self._folder / f"{self.version}-{process}.log",
            env=self._environment,
            cwd=self.code,
        )
        self._stack.callback(child.stop, grace=30)
        return child

    def migrate(self, *arguments: str) -> None:
        child = self.start("migrate", *arguments)
        assert child.wait(120) == 0, child.log_tail()

    def serve(self) -> httpx.Client:
        child = self.start("api")
        api = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=30, trust_env=False)
        self._stack.callback(api.close)

        def ready() -> bool:
            child.check_alive()
            try:
                return api.get("/readyz").is_success
            except httpx.TransportError:
                return False

        wait_until(ready, seconds=120)
        return api


@pytest.fixture
def releases(postgres_url: str, broker_url: str, tmp_path: Path) -> Iterator[tuple[Release, Release]]:
    """The previous release and this one."""
    version, commit = previous_release()
    old_code = checkout(commit, tmp_path / "previous")
    storage = tmp_path / "storage"
    storage.mkdir()
    shared = {
        "TD3_DATABASE_URL": postgres_url,
        "TD3_BROKER_URL": broker_url,
        "TD3_STORAGE_URL": storage.as_uri(),
        "TD3_LEASE_SECONDS": "6",
        "TD3_SWEEP_SECONDS": "0.5",
        "TD3_RESEND_SECONDS": "5",
        "TD3_CHECKPOINT_SECONDS": "0.2",
        "TD3_TORCH_THREADS": "1",
    }
    with ExitStack() as stack:
        yield (
            Release(version, old_code, tmp_path, shared, stack),
            Release(VERSION, ROOT, tmp_path, shared, stack),
        )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "clicks.csv"
    generate_sample_log(users=40, items=25, seed=1).write_csv(path)
    return path


def submit(api: httpx.Client, log: Path, spec: dict[str, Any], *, seed: int) -> str:
    """Return the job's id; each seed is a job of its own."""
    answer = api.post(
        "/jobs",
        files={
            "dataset": (log.name, log.read_bytes()),
            "spec": (None, httpx.Response(200, json={**spec, "seed": seed}).content, "application/json"),
        },
    )
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def evaluate(api: httpx.Client, job: str, spec: dict[str, Any] = EVALUATION) -> str:
    answer = api.post(f"/jobs/{job}/evaluations", json=spec)
    assert answer.status_code == 202, answer.text
    return f"/evaluations/{answer.json()['id']}"


def succeeded(api: httpx.Client, path: str) -> dict[str, Any]:
    """Wait for the run's end, which must be a good one."""
    run: dict[str, Any] = {}

    def ended() -> bool:
        run.update(api.get(path).json())
        assert run["state"] not in ("failed", "cancelled"), run["error"]
        return run["state"] == "succeeded"

    wait_until(ended, seconds=120)
    return run


def kinds(api: httpx.Client, job: str) -> list[str]:
    return [event["kind"] for event in api.get(f"/jobs/{job}/events?limit=1000").json()["items"]]


def test_jobs_go_through_up_and_back(releases: tuple[Release, Release], log: Path, tmp_path: Path) -> None:
    previous, current = releases
    previous.migrate()
    old_api, old_worker = previous.serve(), previous.start("worker")
    assert old_api.get("/v1/jobs").status_code == 404, "it must be the previous release"
    previous.start("keeper")
    before = submit(old_api, log, SPEC, seed=1)
    succeeded(old_api, f"/jobs/{before}")

    current.migrate()
    # 0.1.0 takes a later schema for a wrong one, though it goes on serving; later releases do not.
    assert old_api.get("/readyz").status_code == (503 if previous.version == "0.1.0" else 200)
    run_by_old = submit(old_api, log, SPEC, seed=2)
    succeeded(old_api, f"/jobs/{run_by_old}")

    # Workers go first. A deploy in the middle of a job: the worker that takes it over is this release's.
    handed_over = submit(old_api, log, LONG, seed=3)
    wait_until(lambda: old_api.get(f"/jobs/{handed_over}").json()["stage"] == "distilling", seconds=120)
    new_worker = current.start("worker")
    new_keeper = current.start("keeper")
    assert old_worker.stop(grace=60) is None
    new_worker.check_alive()
    succeeded(old_api, f"/jobs/{handed_over}")

    # The previous release's API, this one's worker, and archives of both.
    run_by_new = submit(old_api, log, SPEC, seed=4)
    succeeded(old_api, f"/jobs/{run_by_new}")
    for job in (run_by_old, run_by_new):
        succeeded(old_api, evaluate(old_api, job))

    # Both releases' APIs.
    new_api = current.serve()
    assert "restored" in kinds(new_api, handed_over)
    assert "warning" not in kinds(new_api, handed_over)
    jobs = {before, run_by_old, handed_over, run_by_new}
    for api in (old_api, new_api):
        check(api, jobs, tmp_path)
    latest = submit(new_api, log, SPEC, seed=5)
    succeeded(new_api, f"/jobs/{latest}")
    every = {"seeds": 1, "cutoffs": [10], "sources": ["summary", "full_own_embedding", "popularity"]}
    latest_evaluation = evaluate(new_api, latest, every)
    succeeded(new_api, latest_evaluation)

    # The way back: the previous release's API, workers and schema.
    new_api.close()
    new_worker.stop(grace=60)
    new_keeper.stop(grace=60)
    previous.start("worker")
    after = submit(old_api, log, SPEC, seed=6)
    succeeded(old_api, f"/jobs/{after}")
    current.migrate("--down", "--revision", previous.revision)
    assert old_api.get("/readyz").status_code == 200
    assert {job["id"] for job in old_api.get("/jobs").json()["items"]} == jobs | {latest, after}
    assert old_api.get(latest_evaluation).json()["spec"]["sources"] == ["summary", "own_full", "popularity"]
    succeeded(old_api, evaluate(old_api, after))


def check(api: httpx.Client, jobs: set[str], folder: Path) -> None:
    """All of them are listed, with summaries that load and evaluations that are whole."""
    listed = api.get("/jobs").json()["items"]
    assert {job["id"] for job in listed} == jobs
    for job in listed:
        archive = folder / "summary.zip"
        archive.write_bytes(api.get(f"/jobs/{job['id']}/summary").content)
        assert load_summary(archive).manifest.seed == job["spec"]["seed"]
        for evaluation in api.get(f"/jobs/{job['id']}/evaluations").json()["items"]:
            assert set(evaluation["results"]["sasrec"]) == set(EVALUATION["sources"])
