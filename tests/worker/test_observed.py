"""What the metrics say of an attempt, counted where it ran."""

import multiprocessing
import os
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from api.models import Evaluation, Job
from api.runs.claims import Claim
from tests.support.scrape import Scrape
from worker import metrics
from worker.observed import observed


def attempt(outcome: str | None, *, killed: bool = False) -> None:
    """Three steps of a stage and one of the next, in a child such as the worker has."""
    metrics.run_metrics.cache_clear()
    with observed(Claim(Job, "job_1", 1, waited=timedelta(seconds=7))) as run:
        for step in range(4):
            run.step("distilling", step)
        if killed:
            os.kill(os.getpid(), 9)
        run.step("packing", 1)
        if outcome:
            run.outcome = outcome


def in_a_child(outcome: str | None, *, killed: bool = False) -> None:
    child = multiprocessing.get_context("fork").Process(
        target=attempt, args=(outcome,), kwargs={"killed": killed}
    )
    child.start()
    child.join()
    assert child.exitcode == (-9 if killed else 0)


@pytest.mark.filterwarnings(
    "ignore:.*fork:DeprecationWarning"
)  # of processes with threads, since Python 3.12
def test_children_count_on_where_the_last_one_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(metrics.FOLDER, str(tmp_path))
    for outcome, killed in (("succeeded", False), (None, True), (None, False), ("succeeded", False)):
        in_a_child(outcome, killed=killed)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(tmp_path))
    seen = Scrape(generate_latest(registry).decode())
    assert seen.value("td3_run_wait_seconds_sum", kind="job") == 4 * 7
    assert seen.value("td3_run_step_seconds_count", stage="distilling") == 4 * 3
    assert seen.value("td3_run_step_seconds_count", stage="packing") == 0
    ended = {outcome: _ended(seen, outcome) for outcome in ("succeeded", "lease_lost")}
    assert seen.value("td3_run_duration_seconds_count", kind="evaluation", outcome="lease_lost") == 0
    assert ended == {"succeeded": 2, "lease_lost": 1}, "the killed one did not end"
    assert len(list(tmp_path.iterdir())) == 1, "one file, however many children"


def _ended(seen: Scrape, outcome: str) -> float:
    return seen.value("td3_run_duration_seconds_count", kind="job", outcome=outcome)


def test_what_was_taken_over_has_not_waited() -> None:
    before = _waited(metrics.run_metrics())
    with observed(Claim(Evaluation, "eval_1", 2)):
        pass
    assert _waited(metrics.run_metrics()) == before


def _waited(counted: metrics.RunMetrics) -> float:
    return sum(sample.value for family in counted.wait.collect() for sample in family.samples)
