"""How a log was read, in the job, its events and its archive, once a worker has read it to its end."""

from typing import Any

import pytest
from pydantic import ByteSize

from api.db import Database
from api.models import Dataset, Job, RunState
from api.settings import Settings
from api.storage import open_storage
from td3core.summary import load_summary
from tests.support.events import kinds, log_of
from tests.support.interaction_logs import LOG
from tests.support.jobs import job
from tests.support.live_api import running_api
from tests.support.specs import SMALL_SPEC
from tests.support.submissions import submit
from worker.distil import distil_job
from worker.execute import Attempt, Finish, execute

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


def submitted(settings: Settings, log: str = LOG) -> dict[str, Any]:
    with running_api(settings) as api:
        response = submit(api, log, spec=SMALL_SPEC)
        assert response.status_code == 202, response.text
        return response.json()


@pytest.fixture
def large(settings: Settings) -> Settings:
    """Settings by which the API reads only the first hundred bytes of a log."""
    few = {"validate_whole_bytes": ByteSize(200), "validate_head_bytes": ByteSize(100)}
    return settings.model_copy(update=few)


def test_the_worker_reports_on_a_log_of_which_the_api_has_read_the_head(
    large: Settings, database: Database
) -> None:
    at_first = submitted(large)
    assert (at_first["dataset"]["profile"], at_first["dataset"]["reading"]["whole"]) == (None, False)
    assert kinds(database, at_first["id"]) == ["submitted"]
    seen: list[Dataset] = []

    def work(attempt: Attempt) -> Finish:
        finish = distil_job(attempt)
        seen.append(job(database, at_first["id"]).dataset)
        return finish

    assert execute(Job, at_first["id"], {Job: work}, settings=large, worker="w") is RunState.SUCCEEDED
    row = job(database, at_first["id"])
    assert row.dataset.reading is not None
    assert row.dataset.profile is not None
    assert (row.dataset.reading["whole"], row.dataset.reading["interactions"]) == (True, 240)
    assert row.dataset.profile["interactions"] == 240
    assert [(one.reading, one.profile) for one in seen] == [(row.dataset.reading, row.dataset.profile)]
    told = [event.data for event in log_of(database, row.id) if event.kind == "reading"]
    assert told == [row.dataset.reading]
    with running_api(large) as api:
        assert api.get(f"/jobs/{row.id}").json()["dataset"]["reading"] == row.dataset.reading
    assert row.summary is not None
    archive = large.work_dir / "summary.zip"
    open_storage(large.storage_url).download(row.summary.storage_key, archive)
    in_archive = load_summary(archive).manifest.dataset.reading
    assert in_archive is not None
    assert in_archive.model_dump(mode="json") == row.dataset.reading


def test_a_log_that_the_api_has_read_is_reported_once(settings: Settings, database: Database) -> None:
    job_id = submitted(settings)["id"]
    assert kinds(database, job_id) == ["submitted", "reading"]
    assert execute(Job, job_id, {Job: distil_job}, settings=settings, worker="w") is RunState.SUCCEEDED
    assert kinds(database, job_id).count("reading") == 1


def test_a_job_of_an_earlier_version_gets_its_report_from_the_worker(
    settings: Settings, database: Database
) -> None:
    job_id = submitted(settings)["id"]
    with database.transaction() as session:
        session.get_one(Job, job_id).dataset.reading = None
    assert execute(Job, job_id, {Job: distil_job}, settings=settings, worker="w") is RunState.SUCCEEDED
    reading = job(database, job_id).dataset.reading
    assert reading is not None
    assert reading["whole"]
    assert kinds(database, job_id).count("reading") == 2
