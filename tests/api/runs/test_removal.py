"""Deleting jobs and evaluations: hidden at once, restorable for a time, then gone with what they alone had."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, func, select, update

from api.db import Database, now
from api.errors import JobDeletedError
from api.evaluations import service as evaluations
from api.jobs import service as jobs
from api.models import (
    DEFAULT_TENANT,
    RUN_KINDS,
    Base,
    Dataset,
    Evaluation,
    Job,
    OutboxMessage,
    RunState,
    SummaryArchive,
)
from api.settings import Settings
from api.storage import open_storage
from td3core.config import EvaluationSpec
from tests.support.interaction_logs import LOG
from tests.support.problems import problem
from tests.support.runs import add_evaluation
from tests.support.submissions import submit
from tests.support.summaries import ARCHIVE, add_summary
from tests.support.webhooks import add_webhook
from worker.cleaning import clean


def ended(database: Database, job_id: str, state: RunState = RunState.FAILED) -> str:
    with database.transaction() as session:
        session.execute(update(Job).where(Job.id == job_id).values(state=state, finished_at=now(session)))
        session.execute(delete(OutboxMessage).where(OutboxMessage.run_id == job_id))
    return job_id


def evaluation_of(database: Database, job_id: str, **columns: Any) -> str:
    with database.transaction() as session:
        return add_evaluation(session, session.get_one(Job, job_id), labels={"a": "1"}, **columns).id


def deleted_long_ago(database: Database, settings: Settings) -> None:
    """Let the time pass in which what is deleted can be restored."""
    age = timedelta(days=settings.restore_days, seconds=1)
    with database.transaction() as session:
        for model in RUN_KINDS:
            session.execute(
                update(model).where(model.deleted_at.is_not(None)).values(deleted_at=now(session) - age)
            )


def clean_up(database: Database, settings: Settings) -> None:
    clean(database, open_storage(settings.storage_url), settings)


def stored(settings: Settings) -> list[str]:
    return [entry.key for entry in open_storage(settings.storage_url).list()]


def rows(database: Database) -> dict[str, int]:
    with database.reading() as session:
        return {
            name: session.scalar(select(func.count()).select_from(table)) or 0
            for name, table in Base.metadata.tables.items()
            if name not in ("audit", "projects")
        }


def listed(api: httpx.Client, path: str = "/jobs", **query: Any) -> list[str]:
    return [run["id"] for run in api.get(path, params=query).json()["items"]]


def test_what_is_deleted_is_hidden_everywhere(
    api: httpx.Client, database: Database, finished_job: str
) -> None:
    evaluation = evaluation_of(database, finished_job)
    gone = api.delete(f"/jobs/{finished_job}")
    assert gone.status_code == 200
    assert (gone.json()["id"], gone.json()["links"]) == (
        finished_job,
        {"restore": f"/jobs/{finished_job}/restore"},
    )
    for path in ("", "/summary", "/events", "/evaluations"):
        body = problem(api.get(f"/jobs/{finished_job}{path}"), 404, "job_not_found")
        assert "is deleted" in body["detail"]
    for operation in ("cancel", "pause", "resume", "evaluations"):
        answer = api.post(f"/jobs/{finished_job}/{operation}", json={})
        problem(answer, 404, "job_not_found")
    problem(api.patch(f"/jobs/{finished_job}", json={"name": "n"}), 404, "job_not_found")
    problem(api.get(f"/evaluations/{evaluation}"), 404, "evaluation_not_found")
    assert listed(api) == listed(api, "/evaluations") == []
    (shown,) = api.get("/jobs", params={"deleted": True}).json()["items"]
    assert (shown["id"], shown["deleted_at"], shown["links"]) == (
        finished_job,
        gone.json()["deleted_at"],
        gone.json()["links"],
    )
    assert listed(api, "/evaluations", deleted=True) == [evaluation]


def test_restoring_brings_back_what_was_deleted_with_it(
    api: httpx.Client, database: Database, finished_job: str
) -> None:
    before, stays, goes = (evaluation_of(database, finished_job) for _ in range(3))
    job = api.get(f"/jobs/{finished_job}").json()
    assert api.delete(f"/evaluations/{before}").json()["frees_bytes"] == 0
    for _ in range(2):
        api.delete(f"/jobs/{finished_job}")
    problem(api.post(f"/evaluations/{before}/restore"), 409, "job_deleted")
    for _ in range(2):
        assert api.post(f"/jobs/{finished_job}/restore").json() == job
    assert listed(api, "/evaluations") == [goes, stays]
    assert api.get(f"/jobs/{finished_job}/summary").content == ARCHIVE
    assert api.post(f"/evaluations/{before}/restore").json()["id"] == before
    assert listed(api, "/evaluations") == [goes, stays, before]
    actions = [entry["action"] for entry in api.get("/audit").json()["items"]]
    assert actions == ["evaluation.restored", "job.restored", "job.deleted", "evaluation.deleted"]


def test_only_what_has_ended_and_is_not_pinned_can_be_deleted(
    api: httpx.Client, database: Database, queued_job: str
) -> None:
    problem(api.delete(f"/jobs/{queued_job}"), 409, "not_ended")
    ended(database, queued_job)
    running = evaluation_of(database, queued_job, state=RunState.RUNNING)
    for path in (f"/jobs/{queued_job}", f"/evaluations/{running}"):
        assert running in problem(api.delete(path), 409, "not_ended")["detail"]
    with database.transaction() as session:
        session.execute(update(Evaluation).values(state=RunState.FAILED, pinned=True))
    for path in (f"/jobs/{queued_job}", f"/evaluations/{running}"):
        problem(api.delete(path), 409, "pinned")
    api.patch(f"/evaluations/{running}", json={"pinned": False})
    api.patch(f"/jobs/{queued_job}", json={"pinned": True})
    problem(api.delete(f"/jobs/{queued_job}"), 409, "pinned")
    assert listed(api) == [queued_job]


def test_a_submission_is_not_answered_with_a_deleted_job(api: httpx.Client, database: Database) -> None:
    first = submit(api).json()["id"]
    with database.transaction() as session:
        session.execute(update(Job).values(state=RunState.SUCCEEDED, finished_at=now(session)))
        session.add(
            SummaryArchive(
                job_id=first,
                tenant_id=DEFAULT_TENANT,
                created_at=now(session),
                bytes=1,
                sha256="0" * 64,
                storage_key="k",
            )
        )
    assert submit(api).json()["id"] == first
    api.delete(f"/jobs/{first}")
    second = submit(api)
    assert second.status_code == 202
    assert second.json()["id"] != first


def test_storage_is_freed_as_the_answer_said_and_nothing_is_left(
    api: httpx.Client, database: Database, settings: Settings, tmp_path: Path
) -> None:
    """A log that two jobs share goes with the second."""
    empty = rows(database)
    first, second = (ended(database, submit(api, force=True).json()["id"]) for _ in range(2))
    add_summary(database, settings, first, tmp_path)
    evaluation_of(database, first)
    add_webhook(database, job_id=first)
    api.patch(f"/jobs/{first}", json={"labels": {"a": "1"}})
    (log,) = (key for key in stored(settings) if "/logs/" in key)
    assert len(stored(settings)) == 2

    assert api.delete(f"/jobs/{first}").json()["frees_bytes"] == len(ARCHIVE)
    clean_up(database, settings)
    assert len(stored(settings)) == 2
    deleted_long_ago(database, settings)
    clean_up(database, settings)
    assert stored(settings) == [log]
    problem(api.post(f"/jobs/{first}/restore"), 404, "job_not_found")
    assert listed(api, deleted=True) == []
    assert listed(api) == [second]

    assert api.delete(f"/jobs/{second}").json()["frees_bytes"] == len(LOG)
    deleted_long_ago(database, settings)
    clean_up(database, settings)
    assert stored(settings) == []
    assert {name: number for name, number in rows(database).items() if number != empty[name]} == {}


def test_what_is_restored_in_time_is_not_removed(
    api: httpx.Client, database: Database, settings: Settings, finished_job: str
) -> None:
    api.delete(f"/jobs/{finished_job}")
    deleted_long_ago(database, settings)
    api.post(f"/jobs/{finished_job}/restore")
    clean_up(database, settings)
    assert api.get(f"/jobs/{finished_job}/summary").content == ARCHIVE


@pytest.mark.parametrize("migrated_url", ["postgres"], indirect=True)
def test_a_job_that_is_about_to_be_evaluated_is_not_deleted(database: Database, finished_job: str) -> None:
    """The deletion waits for the evaluation, and then sees it."""
    refused: list[str] = []

    def remove() -> None:
        try:
            with database.transaction() as session:
                jobs.remove(session, finished_job, tenant_id=DEFAULT_TENANT)
        except Exception as error:  # noqa: BLE001 (the test looks at it)
            refused.append(type(error).__name__)

    thread = threading.Thread(target=remove)
    with database.transaction() as session:
        evaluations.submit(session, finished_job, EvaluationSpec(), tenant_id=DEFAULT_TENANT)
        thread.start()
        thread.join(1)
        assert thread.is_alive()
    thread.join(30)
    assert refused == ["NotEndedError"]


def test_a_log_that_is_submitted_again_outlives_the_first_job(
    api: httpx.Client, database: Database, settings: Settings
) -> None:
    first = ended(database, submit(api).json()["id"])
    api.delete(f"/jobs/{first}")
    second = submit(api).json()["id"]
    deleted_long_ago(database, settings)
    clean_up(database, settings)
    with database.reading() as session:
        key = session.scalars(select(Dataset.storage_key)).one()
    assert stored(settings) == [key]
    assert listed(api) == [second]


def test_an_evaluation_is_not_restored_while_its_job_is_deleted(
    database: Database, finished_job: str
) -> None:
    evaluation_id = evaluation_of(database, finished_job)
    with database.transaction() as session:
        evaluations.remove(session, evaluation_id, tenant_id=DEFAULT_TENANT)

    def restore() -> None:
        with database.transaction() as session:
            evaluations.restore(session, evaluation_id, tenant_id=DEFAULT_TENANT)

    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as session:
            jobs.remove(session, finished_job, tenant_id=DEFAULT_TENANT)
            restoring = thread.submit(restore)
            time.sleep(0.5)  # it would not be done yet, and could not see what is not committed
        with pytest.raises(JobDeletedError):
            restoring.result(10)
