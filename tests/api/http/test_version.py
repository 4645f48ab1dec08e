"""The API under its version, and as it was served before it had one."""

import httpx
import pytest

from api.app import create_app
from api.settings import Settings


@pytest.mark.parametrize("base", ["", "/v1"])
def test_links_begin_as_the_path_of_the_request_did(api: httpx.Client, queued_job: str, base: str) -> None:
    job = api.get(f"{base}/jobs/{queued_job}").raise_for_status().json()
    assert job["links"]["self"] == f"{base}/jobs/{queued_job}"
    for name in ("events", "evaluations"):
        assert job["links"][name].startswith(f"{base}/jobs/")
        assert api.get(job["links"][name]).status_code == 200
    assert api.get(f"{base}/jobs").json()["items"] == [job]
    assert api.post(job["links"]["cancel"]).json()["links"]["self"] == job["links"]["self"]


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
        path = template.format(job_id="job_none", evaluation_id="eval_none")
        answers = [api.request(method, path.removeprefix(base)) for base in ("", "/v1")]
        assert answers[0].status_code == answers[1].status_code
        first, second = (answer.json() for answer in answers)
        assert first.get("code") == second.get("code") != "not_found"


def test_what_is_documented_is_versioned_but_for_what_operators_use(settings: Settings) -> None:
    unversioned = {path for path in create_app(settings).openapi()["paths"] if not path.startswith("/v1/")}
    assert unversioned == {"/", "/healthz", "/readyz"}
