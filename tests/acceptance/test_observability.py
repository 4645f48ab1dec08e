"""One job seen from outside: its log lines, its metrics and its trace, from real processes."""

import contextlib
import json
import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from embedded.process import free_port
from embedded.service import Service
from td3client import Client
from tests.support.monitoring import asked_for
from tests.support.scrape import Scrape, scrape
from tests.support.servers.otlp import Collector, running_collector
from tests.support.specs import SMALL_SPEC

pytestmark = pytest.mark.acceptance

PROCESSES = ("api", "worker", "keeper")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


def lines(service: Service, name: str) -> list[dict[str, Any]]:
    """What a process has logged: every line is JSON, whoever wrote it, but for Celery's cry at a signal."""
    text = (service.log_dir / f"{name}.log").read_text(encoding="utf-8")
    text = text.replace("\nworker: Warm shutdown (MainProcess)\n", "")
    return [json.loads(line) for line in text.splitlines()]


def bearing(service: Service) -> dict[str, str]:
    """The key of the service's user."""
    return {"Authorization": f"Bearer {service.key}"}


def submit(service: Service, log: Path, request_id: str) -> str:
    """Submit as a client that names its requests."""
    with log.open("rb") as file:
        response = httpx.post(
            f"{service.url}/jobs?force=true",
            files={"dataset": (log.name, file)},
            data={"spec": json.dumps(SMALL_SPEC)},
            headers={"X-Request-ID": request_id, **bearing(service)},
            trust_env=False,
        )
    assert response.headers["x-request-id"] == request_id
    return response.json()["id"]


def scrapes(service: Service, urls: dict[str, str]) -> dict[str, Scrape]:
    """What each process says."""
    with httpx.Client(trust_env=False, timeout=60, headers=bearing(service)) as client:
        return {name: scrape(client, f"{url}/metrics") for name, url in urls.items()}


def two_free_ports() -> int:
    """The first of two ports that follow each other: the keeper's metrics are beside the worker's."""
    while True:
        port = free_port()
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port + 1)):
            return port


def test_a_request_can_be_followed_to_the_end_of_its_run(
    start_service: Callable[..., Service], small_log: Path, collector: Collector
) -> None:
    port = two_free_ports()
    service = start_service(TD3_METRICS_PORT=str(port), TD3_OTLP_ENDPOINT=collector.url)
    urls = {
        "api": service.url,
        "worker": f"http://127.0.0.1:{port}",
        "keeper": f"http://127.0.0.1:{port + 1}",
    }
    with Client(service.url, token=service.key) as client:
        runs = [submit(service, small_log, f"order-{number}") for number in (66, 67)]
        for run in runs:
            *_, done = client.wait(run, poll=0.1)
            assert done["state"] == "succeeded"
    seen = scrapes(service, urls)
    with sqlite3.connect(service.data_dir / "td3.sqlite3") as database:
        rows = database.execute(
            "SELECT request_id, substr(traceparent, 4, 32) FROM jobs ORDER BY id"
        ).fetchall()
        database.execute("UPDATE jobs SET created_at = 'gibberish'")
    broken = httpx.get(
        f"{service.url}/jobs/{runs[0]}",
        headers={"X-Request-ID": "order-68", **bearing(service)},
        trust_env=False,
    )
    assert broken.status_code == 500
    for name in PROCESSES:
        service.stop(name)

    assert [request_id for request_id, _ in rows] == ["order-66", "order-67"]
    check_metrics(seen)
    for run, (_, trace_id) in zip(runs, rows, strict=True):
        check_trace(collector, run, trace_id)
    check_logs(service, runs[0], trace_id=rows[0][1])


def check_metrics(seen: dict[str, Scrape]) -> None:
    """Two jobs, in two children of one worker."""
    assert seen["api"].value("td3_runs", kind="job", state="succeeded") == 2
    worker = seen["worker"]
    assert worker.value("td3_run_wait_seconds_count", kind="job") == 2
    assert worker.value("td3_run_duration_seconds_count", kind="job", outcome="succeeded") == 2
    assert (
        worker.value("td3_run_step_seconds_count", stage="distilling") == 2 * SMALL_SPEC["outer"]["steps"] - 2
    )
    assert seen["keeper"].value("td3_keeper_last_sweep_timestamp_seconds") > 0
    served = set[str]().union(*(found.names for found in seen.values()))
    assert asked_for() - served == set(), "asked for by the dashboard or an alert, but served by nobody"


def check_trace(collector: Collector, run: str, trace_id: str) -> None:
    """Request, message, attempt and stages are one tree."""
    spans = [span for span in collector.spans if span.trace_id == trace_id]
    (request,) = (span for span in spans if span.name == "POST /jobs")
    (sent,) = (span for span in spans if span.name == "send td3.distil")
    (attempt,) = (span for span in spans if span.name == "run td3.distil")
    assert (request.service, sent.service, attempt.service) == ("td3-api", "td3-api", "td3-worker")
    assert (request.parent_id, sent.parent_id, attempt.parent_id) == ("", request.span_id, request.span_id)
    assert attempt.attributes == {"td3.run": run, "td3.attempt": 1, "td3.outcome": "succeeded"}
    stages = [span.name for span in spans if span.parent_id == attempt.span_id]
    assert stages == ["reading", "teacher", "distilling", "packing"]
    assert {span.name for span in collector.spans} & {"GET /readyz", "GET /metrics"} == set()


def check_logs(service: Service, run: str, *, trace_id: str) -> None:
    """One search finds the request in the API's log and the run in the worker's."""
    written = {name: lines(service, name) for name in PROCESSES}
    accepted, served = (line for line in written["api"] if line.get("request_id") == "order-66")
    assert (accepted["event"], accepted["run"]) == ("job.accepted", run)
    assert (served["event"], served["path"], served["status"]) == ("request.done", "/jobs", 202)
    told = [line for line in written["worker"] if line.get("request_id") == "order-66"]
    events = [
        line["event"] for line in told if line["event"].startswith("run.")
    ]  # a training may be warned of
    assert events == ["run.started", "run.ended"]
    assert {(line["run"], line["attempt"]) for line in told} == {(run, 1)}
    assert {line["trace_id"] for line in (accepted, served, *told)} == {trace_id}
    broken = [line["logger"] for line in written["api"] if line.get("request_id") == "order-68"]
    assert broken == ["api.http.request_log", "api.http.problems", "uvicorn.error"], (
        "the last has the traceback"
    )
    assert "celery.worker.strategy" in {line["logger"] for line in written["worker"]}
