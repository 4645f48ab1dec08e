"""One job seen from outside: its log lines."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from embedded.service import Service
from td3client import Client
from tests.acceptance.conftest import SMALL_SPEC

pytestmark = pytest.mark.acceptance


def lines(service: Service, name: str) -> list[dict[str, Any]]:
    """What a process has logged: every line is JSON, whoever wrote it, but for Celery's cry at a signal."""
    text = (service.log_dir / f"{name}.log").read_text(encoding="utf-8")
    text = text.replace("\nworker: Warm shutdown (MainProcess)\n", "")
    return [json.loads(line) for line in text.splitlines()]


def submit(url: str, log: Path, request_id: str) -> str:
    """Submit as a client that names its requests."""
    with log.open("rb") as file:
        response = httpx.post(
            f"{url}/jobs",
            files={"dataset": (log.name, file)},
            data={"spec": json.dumps(SMALL_SPEC)},
            headers={"X-Request-ID": request_id},
            trust_env=False,
        )
    assert response.headers["x-request-id"] == request_id
    return response.json()["id"]


def test_a_request_can_be_followed_through_the_logs_to_the_end_of_its_run(
    service: Service, small_log: Path
) -> None:
    job_id = submit(service.url, small_log, "order-66")
    with Client(service.url) as client:
        *_, done = client.wait(job_id, poll=0.1)
    assert done["state"] == "succeeded"
    with sqlite3.connect(service.data_dir / "td3.sqlite3") as database:
        database.execute("UPDATE jobs SET spec = '{}', created_at = 'gibberish'")
    broken = httpx.get(f"{service.url}/jobs/{job_id}", headers={"X-Request-ID": "order-67"}, trust_env=False)
    assert broken.status_code == 500
    for name in ("api", "worker", "keeper"):
        service.stop(name)
    accepted, served = (line for line in lines(service, "api") if line.get("request_id") == "order-66")
    assert (accepted["event"], accepted["run"]) == ("job.accepted", job_id)
    assert (served["event"], served["path"], served["status"]) == ("request.done", "/jobs", 202)
    told = [line["logger"] for line in lines(service, "api") if line.get("request_id") == "order-67"]
    assert told == ["api.request_log", "api.problems", "uvicorn.error"], "the last has the traceback"
    ours = [line for line in lines(service, "worker") if line.get("request_id") == "order-66"]
    assert [line["event"] for line in ours] == ["run.started", "run.ended"]
    assert {(line["run"], line["attempt"]) for line in ours} == {(job_id, 1)}
    loggers = {
        name: {line["logger"] for line in lines(service, name)} for name in ("api", "worker", "keeper")
    }
    assert "uvicorn.error" in loggers["api"]
    assert "celery.worker.strategy" in loggers["worker"]
    assert loggers["keeper"] == {"worker.keeper"}
