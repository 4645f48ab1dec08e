"""The API under its version, and as it was served before it had one."""

import re
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.db import Database
from api.settings import Settings
from tests.support.interaction_logs import LOG
from tests.support.summaries import add_summary


@pytest.mark.parametrize("base", ["", "/v1"])
def test_links_begin_as_the_path_of_the_request_did(api: httpx.Client, queued_job: str, base: str) -> None:
    job = api.get(f"{base}/jobs/{queued_job}").raise_for_status().json()
    assert job["links"]["self"] == f"{base}/jobs/{queued_job}"
    for name in ("events", "evaluations"):
        assert job["links"][name].startswith(f"{base}/jobs/")
        assert api.get(job["links"][name]).status_code == 200
    assert api.get(f"{base}/jobs").json()["items"] == [job]
    assert api.post(job["links"]["cancel"]).json()["links"]["self"] == job["links"]["self"]


@pytest.mark.parametrize("base", ["", "/v1"])
def test_whatever_is_created_tells_paths_that_begin_so(
    api: httpx.Client, database: Database, settings: Settings, tmp_path: Path, base: str
) -> None:
    made = api.post(f"{base}/jobs", files={"dataset": ("log.csv", LOG)})
    here = f"{base}/jobs/{made.json()['id']}"
    assert (made.headers["location"], made.json()["links"]["self"]) == (here, here)
    add_summary(database, settings, made.json()["id"], tmp_path)
    done = api.get(here).json()
    assert done["summary"]["href"] == done["links"]["summary"] == f"{here}/summary"
    evaluation = api.post(f"{here}/evaluations")
    there = f"{base}/evaluations/{evaluation.json()['id']}"
    assert evaluation.headers["location"] == there
    links = {"self": there, "events": f"{there}/events", "job": here, "cancel": f"{there}/cancel"}
    assert evaluation.json()["links"] == links
    assert api.get(there).json()["links"] == links
    assert [item["links"] for item in api.get(f"{here}/evaluations").json()["items"]] == [links]
    ended = api.post(links["cancel"]).json()["links"]
    assert ended == {name: link for name, link in links.items() if name != "cancel"}


def test_whatever_is_documented_under_the_version_is_served_without_it(
    api: httpx.Client, settings: Settings
) -> None:
    documented = [
        (method.upper(), path)
        for path, operations in create_app(settings).openapi()["paths"].items()
        for method in operations
        if path.startswith("/v1/")
    ]
    assert ("GET", "/v1/jobs/{job_id}/events") in documented
    for method, template in documented:
        path = re.sub(r"\{.*?\}", "none", template)
        answers = [api.request(method, path.removeprefix(base)) for base in ("", "/v1")]
        assert answers[0].status_code == answers[1].status_code
        first, second = (None if answer.is_success else answer.json()["code"] for answer in answers)
        assert first == second != "not_found"


def test_what_is_documented_is_versioned_but_for_what_operators_use(settings: Settings) -> None:
    unversioned = {path for path in create_app(settings).openapi()["paths"] if not path.startswith("/v1/")}
    assert unversioned == {"/", "/healthz", "/metrics", "/readyz"}
