"""Runs as a worker executes them, on a CPU and on a GPU."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import torch

from api.db import Database
from api.models import Evaluation, Job, RunState
from api.runs.events import EventKind
from api.settings import Settings
from tests.support.devices import ON_A_GPU
from tests.support.events import log_of
from tests.support.specs import SMALL_SPEC
from tests.support.submissions import submit
from worker.distil import distil_job
from worker.evaluate import evaluate_job
from worker.execute import execute

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)

SPEC: dict[str, Any] = {
    **SMALL_SPEC,
    "inner": {**SMALL_SPEC["inner"], "compile": "auto"},
    "certificate": {"learners": 2},
}


@pytest.fixture(
    params=[
        {"device": "cpu"},
        {"device": "cpu", "deterministic": True},
        pytest.param({"device": "cuda"}, marks=ON_A_GPU),
        pytest.param({"device": "cuda", "deterministic": True, "tf32": True}, marks=ON_A_GPU),
    ],
    ids=lambda told: "-".join(map(str, told)) + "-" + told["device"],
)
def told(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Settings of a worker. What they set in this process holds for the test alone."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    threads = torch.get_num_threads()
    yield request.param
    torch.use_deterministic_algorithms(False)
    torch.set_float32_matmul_precision("highest")
    torch.set_num_threads(threads)


def after_looks(count: int) -> Callable[[], bool]:
    """Stop the worker when it has looked so often whether it is to."""
    looks = iter(range(count))
    return lambda: next(looks, None) is None


def test_a_job_that_is_handed_back_goes_on_and_can_be_evaluated(
    api: httpx.Client, database: Database, settings: Settings, told: dict[str, Any]
) -> None:
    settings = settings.model_copy(update=told)
    job = submit(api, spec=SPEC).json()
    first = execute(Job, job["id"], {Job: distil_job}, settings=settings, worker="w", stopping=after_looks(5))
    assert first is RunState.QUEUED
    assert torch.are_deterministic_algorithms_enabled() == told.get("deterministic", False)
    assert torch.get_float32_matmul_precision() == ("high" if told.get("tf32") else "highest")
    assert execute(Job, job["id"], {Job: distil_job}, settings=settings, worker="w") is RunState.SUCCEEDED
    assert EventKind.RESTORED in [event.kind for event in log_of(database, job["id"])]
    shown = api.get(f"/jobs/{job['id']}").json()
    assert shown["summary"]["bytes"] > 0

    torch.use_deterministic_algorithms(False)
    spec = {"seeds": 1, "cutoffs": [10], "sources": ["summary", "floor"]}
    evaluation = api.post(f"/jobs/{job['id']}/evaluations", json=spec).json()
    ended = execute(Evaluation, evaluation["id"], {Evaluation: evaluate_job}, settings=settings, worker="w")
    assert ended is RunState.SUCCEEDED
    assert torch.are_deterministic_algorithms_enabled() == told.get("deterministic", False)
