"""Specs that come to more than the settings allow are refused with the field and the estimate, and nothing is left."""

from collections.abc import Iterator

import httpx
import pytest

from api.db import Database
from api.settings import Settings
from tests.support.live_api import running_api
from tests.support.submissions import nothing_left, submit

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


@pytest.fixture
def strict(settings: Settings) -> Iterator[httpx.Client]:
    with running_api(settings.model_copy(update={"max_steps": 5000, "max_trainings": 30})) as api:
        yield api


def test_a_job(strict: httpx.Client, settings: Settings, database: Database) -> None:
    response = submit(strict, spec={"outer": {"steps": 500}})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_spec")
    (error,) = response.json()["errors"]
    assert error["field"] == "outer.steps"
    assert "makes 11,680 steps of learners; at most 5,000 are allowed" in error["reason"]
    assert nothing_left(settings, database)
    assert submit(strict).status_code == 202


@pytest.mark.parametrize(
    ("spec", "field", "reason"),
    [
        ({"seeds": 50, "sources": ["full"]}, "seeds", "asks for 50 trainings"),
        ({"seeds": 2, "sources": ["full"], "steps": 3000}, "steps", "in 2 trainings makes 6,000 steps"),
    ],
)
def test_an_evaluation(strict: httpx.Client, spec: dict[str, object], field: str, reason: str) -> None:
    response = strict.post("/jobs/job_unknown/evaluations", json=spec)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["field"] == field
    assert reason in error["reason"]
