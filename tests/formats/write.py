"""Write what a release stores, for later releases to read: `python -m tests.formats.write RELEASE [CHECKOUT]`.

It runs the service of a checkout on a small log, as a user would, and keeps the rows of its database and the objects
of its storage in `tests/fixtures/formats/RELEASE/`:

- a job that succeeded for each kind of summary, and an evaluation of the first on every source;
- a job that was paused while it distilled, and an evaluation that was interrupted, each with its checkpoint.

To be run once, when a release is cut that changed a format.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from embedded.process import free_port

FIXTURES = Path(__file__).parents[1] / "fixtures" / "formats"
TABLES = ("datasets", "jobs", "summaries", "evaluations", "events", "checkpoints", "outbox")
PATIENCE_SECONDS = 300.0

SPEC: dict[str, Any] = {
    "learner": {"embedding_size": 8, "inner_size": 16, "max_length": 10},
    "teacher": {"max_epochs": 2},
    "summary": {"users": 4, "length": 8},
    "inner": {"steps": 6, "compile": "never"},
    "outer": {"steps": 4, "validate_every": 2, "validation_learners": 1},
    "certificate": {"learners": 2},
}
ENDLESS = {**SPEC, "outer": {**SPEC["outer"], "steps": 100_000}}


def write(release: str, checkout: Path) -> Path:
    """Run the checkout's service and keep what it stored."""
    target = FIXTURES / release
    with tempfile.TemporaryDirectory() as folder:
        data, log = Path(folder) / "data", Path(folder) / "clicks.csv"
        sample = "td3core.data.sample" if (checkout / "td3core/data").is_dir() else "td3core.sample"
        _run(checkout, sample, str(log), "--users", "40", "--items", "25", "--seed", "1").wait()
        port = free_port()
        settings = {
            "TD3_DATA_DIR": str(data),
            "TD3_PORT": str(port),
            "TD3_CHECKPOINT_SECONDS": "1",
            "TD3_ACCESS_CONTROL": "off",
        }
        service = _run(checkout, "embedded", **settings)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as api:
                _wait(lambda: _is_ready(api, service))
                _use(api, log)
        finally:
            service.send_signal(signal.SIGINT)
            service.wait()
        if target.exists():
            shutil.rmtree(target)
        target.mkdir(parents=True)
        shutil.copytree(data / "storage", target / "storage")
        rows = json.dumps(_rows(data / "td3.sqlite3"), indent=1, sort_keys=True)
        (target / "rows.json").write_text(rows.replace(socket.gethostname(), "worker-host") + "\n")
    return target


def _use(api: httpx.Client, log: Path) -> None:
    """Leave behind one of everything."""
    first = _submit(api, log, SPEC)
    farzi = _submit(api, log, {**SPEC, "summary": {"kind": "farzi", "users": 4, "length": 8}})
    for job in (first, farzi):
        _wait(lambda job=job: _ended(api, job))
    sources = api.get("/openapi.json").json()["components"]["schemas"]["EvaluationSpec"]
    every = sources["properties"]["sources"]["items"]["enum"]
    spec = {"sources": every, "seeds": 2, "cutoffs": [10], "own_embedding_size": 12, "trend": {"layers": [1]}}
    evaluation = _evaluate(api, first, spec)
    _wait(lambda: _ended(api, evaluation))
    endless = _submit(api, log, ENDLESS)
    _wait(lambda: _has_checkpoint(api, endless, stage="distilling"))
    api.post(f"{endless}/pause").raise_for_status()
    _wait(lambda: api.get(endless).json()["state"] == "paused")
    interrupted = _evaluate(api, first, {"seeds": 50, "sources": ["full", "summary"], "cutoffs": [10]})
    _wait(lambda: _has_checkpoint(api, interrupted, stage="evaluating"))


def _submit(api: httpx.Client, log: Path, spec: dict[str, Any]) -> str:
    with log.open("rb") as file:
        answer = api.post(
            "/jobs", files={"dataset": (log.name, file), "spec": (None, json.dumps(spec), "application/json")}
        )
    answer.raise_for_status()
    return answer.headers["location"]


def _evaluate(api: httpx.Client, job: str, spec: dict[str, Any]) -> str:
    answer = api.post(f"{job}/evaluations", json=spec)
    answer.raise_for_status()
    return answer.headers["location"]


def _ended(api: httpx.Client, run: str) -> bool:
    shown = api.get(run).json()
    if shown["state"] == "failed":
        raise RuntimeError(shown["error"])
    return shown["state"] == "succeeded"


def _has_checkpoint(api: httpx.Client, run: str, *, stage: str) -> bool:
    shown = api.get(run).json()
    events = api.get(f"{run}/events", params={"limit": 1000}).json()["items"]
    return shown["stage"] == stage and shown["step"] > 0 and any(e["kind"] == "checkpoint" for e in events)


def _is_ready(api: httpx.Client, service: "subprocess.Popen[bytes]") -> bool:
    if service.poll() is not None:
        raise RuntimeError("the service ended before it was ready")
    try:
        return api.get("/readyz").is_success
    except httpx.TransportError:
        return False


def _rows(database: Path) -> dict[str, Any]:
    """Every row of the tables that outlive a release, and the schema's revision."""
    connection = sqlite3.connect(database)
    connection.row_factory = sqlite3.Row
    (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    rows = {table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in TABLES}
    connection.close()
    return {"revision": revision, "tables": rows}


def _run(checkout: Path, module: str, *arguments: str, **settings: str) -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TD3_")}
    environment |= {"PYTHONPATH": str(checkout), **settings}
    return subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=checkout, env=environment)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the service did not get there in time")
        time.sleep(0.1)


def main() -> None:
    """Write the fixture of a release."""
    parser = argparse.ArgumentParser(prog="python -m tests.formats.write", description=__doc__)
    parser.add_argument("release", help="name of the fixture's folder, such as 0.1.0")
    parser.add_argument("checkout", type=Path, nargs="?", default=Path.cwd(), help="default: this one")
    options = parser.parse_args()
    sys.stdout.write(f"{write(options.release, options.checkout.resolve())}\n")


if __name__ == "__main__":
    main()
