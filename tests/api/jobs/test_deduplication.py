import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from api.db import Database, now
from api.models import Job, RunState
from api.settings import Settings
from tests.support.interaction_logs import LOG
from tests.support.jobs import count
from tests.support.submissions import submit
from tests.support.summaries import add_summary


def set_state(database: Database, job_id: str, state: RunState) -> None:
    with database.transaction() as session:
        session.get_one(Job, job_id).state = state


def test_an_identical_job_is_the_answer(
    api: httpx.Client, database: Database, settings: Settings, tmp_path: Path
) -> None:
    first = submit(api, spec={"seed": 7})
    assert (first.status_code, first.json()["deduplicated"]) == (202, False)
    for prepare in (
        lambda job_id: None,
        lambda job_id: set_state(database, job_id, RunState.RUNNING),
        lambda job_id: add_summary(database, settings, job_id, tmp_path),
    ):
        prepare(first.json()["id"])
        # The same spec in other words, and under another name.
        same = submit(api, name="copy.csv", spec={"seed": 7, "summary": {"users": 60}})
        assert (same.status_code, same.json()["deduplicated"]) == (200, True)
        assert same.json()["id"] == first.json()["id"]
        assert same.headers["location"] == first.headers["location"]
    assert count(database, Job) == 1


def test_what_differs_is_another_job(
    api: httpx.Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = submit(api)
    others = [
        submit(api, spec={"seed": 1}),
        submit(api, LOG + "u1,i1,99\n"),
        submit(api, force=True),
        submit(api, name="log.tsv", spec={"data": {"format": "csv"}}),
    ]
    monkeypatch.setattr("api.jobs.service.VERSION", "0.0.0")
    others.append(submit(api))
    monkeypatch.undo()
    with database.transaction() as session:
        session.execute(update(Job).values(tenant_id="somebody_else"))
    others.append(submit(api))
    assert [other.status_code for other in (first, *others)] == [202] * 7
    assert count(database, Job) == 7
    assert submit(api).json()["id"] == others[-1].json()["id"]


@pytest.mark.parametrize(
    "state", [RunState.FAILED, RunState.CANCELLING, RunState.CANCELLED, RunState.SUCCEEDED]
)
def test_a_job_that_brings_no_summary_is_no_answer(
    api: httpx.Client, database: Database, state: RunState
) -> None:
    """Also one that succeeded, but whose summary is no more."""
    first = submit(api).json()["id"]
    set_state(database, first, state)
    again = submit(api)
    assert again.status_code == 202
    assert again.json()["id"] != first


@pytest.mark.parametrize("expired", ["summary", "dataset"])
def test_a_job_of_which_something_is_no_longer_kept_is_no_answer(
    api: httpx.Client, database: Database, settings: Settings, tmp_path: Path, expired: str
) -> None:
    first = submit(api).json()["id"]
    add_summary(database, settings, first, tmp_path)
    with database.transaction() as session:
        getattr(session.get_one(Job, first), expired).expired_at = now(session)
    assert submit(api).status_code == 202


def test_a_finished_job_comes_before_one_on_its_way(
    api: httpx.Client, database: Database, settings: Settings, tmp_path: Path
) -> None:
    finished = submit(api).json()["id"]
    submit(api, force=True)
    add_summary(database, settings, finished, tmp_path)
    assert submit(api).json()["id"] == finished


def test_of_many_identical_submits_at_once_one_makes_the_job(api: httpx.Client, database: Database) -> None:
    together = threading.Barrier(8)

    def contend(_: int) -> httpx.Response:
        together.wait()
        return submit(api)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(contend, range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert count(database, Job) == 1
