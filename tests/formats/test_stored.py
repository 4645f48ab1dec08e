"""What earlier releases stored can be shown, used and continued by this one."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.db import Database
from api.models import Evaluation, Job, Run, RunState
from api.runs.events import EventKind
from api.settings import Settings
from td3core import load_summary
from td3core.formats import read_evaluation_spec, read_job_spec
from tests.formats.stored import FIXTURES, RELEASES, store
from tests.support.events import log_of
from tests.support.live_api import running_api
from worker.distil import distil_job
from worker.evaluate import evaluate_job
from worker.execute import execute


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """Each release that first wrote some format."""
    return request.param


@pytest.fixture
def settings(database_url: str, broker_url: str, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", database_url=database_url, broker_url=broker_url)


@pytest.fixture
def database(release: str, settings: Settings, tmp_path: Path) -> Iterator[Database]:
    """A database of this version, with what the release wrote into its own."""
    database = Database(settings.database_url)
    store(release, database, tmp_path / "data" / "storage")
    yield database
    database.close()


@pytest.fixture
def api(database: Database, settings: Settings) -> Iterator[httpx.Client]:
    with running_api(settings) as client:
        yield client


def rows(release: str, table: str) -> list[dict[str, Any]]:
    return json.loads((FIXTURES / release / "rows.json").read_text())["tables"][table]


def test_everything_is_listed_and_shown_as_it_was_stored(api: httpx.Client, release: str) -> None:
    stored = {row["id"]: row for table in ("jobs", "evaluations") for row in rows(release, table)}
    jobs = api.get("/v1/jobs").json()["items"]
    evaluations = [
        evaluation for job in jobs for evaluation in api.get(job["links"]["evaluations"]).json()["items"]
    ]
    assert {run["id"] for run in (*jobs, *evaluations)} == set(stored)
    for listed in (*jobs, *evaluations):
        shown = api.get(listed["links"]["self"]).json()
        assert shown == listed
        assert shown["spec"] == json.loads(stored[shown["id"]]["spec"])
        assert shown["state"] == stored[shown["id"]]["state"]
        assert api.get(shown["links"]["events"]).json()["items"]


def test_results_are_shown_with_their_figures(api: httpx.Client, release: str) -> None:
    (stored,) = (row for row in rows(release, "evaluations") if row["result"])
    result = json.loads(stored["result"])
    shown = api.get(f"/v1/evaluations/{stored['id']}").json()
    for source in ("full", "summary", "floor"):
        assert shown["results"]["sasrec"][source] == result["results"]["sasrec"][source]
    assert len(shown["results"]["sasrec"]) == len(result["results"]["sasrec"])
    for metric, found in result["recovery"]["sasrec"].items():
        assert shown["recovery"]["sasrec"][metric].items() >= found.items()
    assert shown["intervals"] == "seeds"
    assert shown["worth"] == {}
    assert shown["trend"]["agreement"].keys() == result["trend"]["agreement"].keys()


def test_archives_load_and_train(api: httpx.Client, release: str, tmp_path: Path) -> None:
    jobs = [job for job in api.get("/v1/jobs").json()["items"] if job["summary"]]
    assert {job["spec"]["summary"]["kind"] for job in jobs} == {"tucker", "farzi"}
    for job in jobs:
        path = tmp_path / f"{job['id']}.zip"
        path.write_bytes(api.get(job["summary"]["href"]).content)
        summary = load_summary(path)
        assert summary.manifest.spec.summary.kind == job["spec"]["summary"]["kind"]
        recommender = summary.train()
        assert len(recommender.recommend([summary.item_ids[0]], k=3)) == 3
        assert len(summary.sample(2)) == 2


def cancel_others(api: httpx.Client, run_id: str) -> None:
    """Leave no other run in the queue."""
    for job in api.get("/v1/jobs").json()["items"]:
        for evaluation in api.get(job["links"]["evaluations"]).json()["items"]:
            if evaluation["state"] == "queued" and evaluation["id"] != run_id:
                api.post(evaluation["links"]["cancel"]).raise_for_status()


def test_a_summary_can_be_evaluated(api: httpx.Client, database: Database, settings: Settings) -> None:
    job = next(job for job in api.get("/v1/jobs").json()["items"] if job["summary"])
    spec = {"seeds": 1, "cutoffs": [10], "sources": ["summary", "floor"]}
    made = api.post(job["links"]["evaluations"], json=spec).json()
    cancel_others(api, made["id"])
    assert (
        execute(Evaluation, made["id"], {Evaluation: evaluate_job}, settings=settings, worker="w")
        is RunState.SUCCEEDED
    )
    shown = api.get(made["links"]["self"]).json()
    assert set(shown["results"]["sasrec"]) == {"summary", "floor"}


def after_reports(count: int) -> Callable[[], bool]:
    """Stop the worker when it has looked so often whether it is to."""
    looks = iter(range(count))
    return lambda: next(looks, None) is None


@pytest.mark.parametrize(("model", "work"), [(Job, distil_job), (Evaluation, evaluate_job)])
def test_what_was_interrupted_goes_on_from_its_checkpoint(
    api: httpx.Client, database: Database, settings: Settings, release: str, model: type[Run], work: Any
) -> None:
    (stored,) = (row for row in rows(release, model.__tablename__) if row["state"] in ("paused", "queued"))
    if stored["state"] == "paused":
        api.post(f"/v1/jobs/{stored['id']}/resume").raise_for_status()
    cancel_others(api, stored["id"])
    ended = execute(
        model, stored["id"], {model: work}, settings=settings, worker="w", stopping=after_reports(20)
    )
    assert ended is RunState.QUEUED
    with database.reading() as session:
        progress = session.get_one(model, stored["id"]).progress
    assert progress >= stored["progress"] > 0
    kinds = [event.kind for event in log_of(database, stored["id"])]
    assert EventKind.RESTORED in kinds
    assert EventKind.WARNING not in kinds


def test_stored_specs_run_as_they_are(release: str) -> None:
    for row in rows(release, "jobs"):
        assert read_job_spec(json.loads(row["spec"]), version=row.get("spec_format", 1))
    for row in rows(release, "evaluations"):
        spec = read_evaluation_spec(json.loads(row["spec"]), version=row.get("spec_format", 1))
        assert {"full", "summary"} <= set(spec.sources)


@pytest.mark.parametrize(
    ("spec", "spec_format"), [({"inner": {"of_the_future": 1}}, None), ({}, 99)], ids=["key", "format"]
)
def test_a_job_of_a_later_version_is_shown_and_refused_by_the_worker(
    api: httpx.Client, database: Database, settings: Settings, spec: dict[str, Any], spec_format: int | None
) -> None:
    queued = api.get("/v1/jobs", params={"state": "paused"}).json()["items"][0]
    with database.transaction() as session:
        job = session.get_one(Job, queued["id"])
        job.spec = {**job.spec, **spec}
        job.spec_format = spec_format or job.spec_format
    api.post(queued["links"]["resume"]).raise_for_status()
    cancel_others(api, queued["id"])
    assert execute(Job, queued["id"], {Job: distil_job}, settings=settings, worker="w") is RunState.FAILED
    shown = api.get(queued["links"]["self"]).json()
    assert shown["spec"] == {**queued["spec"], **spec}
    assert shown["error"]["code"] == "unsupported_format"
    assert ("of_the_future" if spec else "99") in shown["error"]["detail"]
    assert shown["id"] in [job["id"] for job in api.get("/v1/jobs").json()["items"]]


def test_a_result_of_a_later_version_is_shown(api: httpx.Client, database: Database, release: str) -> None:
    (stored,) = (row for row in rows(release, "evaluations") if row["result"])
    result = json.loads(stored["result"])
    result["results"]["sasrec"]["summary"]["coverage@10"] = {"of_the_future": 1.0}
    result["of_the_future"] = True
    with database.transaction() as session:
        session.get_one(Evaluation, stored["id"]).result = result | {"format": 99}
    shown = api.get(f"/v1/evaluations/{stored['id']}")
    assert shown.status_code == 200
    assert shown.json()["id"] in [
        item["id"] for item in api.get(f"/v1/jobs/{stored['job_id']}/evaluations").json()["items"]
    ]
