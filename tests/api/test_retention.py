from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select, update

from api import retention
from api.db import Database, now
from api.ids import new_id
from api.models import DEFAULT_TENANT, Dataset, Evaluation, Job, RunState, SummaryArchive
from api.settings import Settings
from tests.support.claims import claimed
from tests.support.problems import problem
from tests.support.submissions import submit
from tests.support.summaries import add_summary

AGE = timedelta(days=30)
OLD = timedelta(days=31)
RECENT = timedelta(days=29)


@pytest.fixture
def finished_job(database: Database, settings: Settings, queued_job: str, tmp_path: Path) -> str:
    """A job that ended long ago."""
    add_summary(database, settings, queued_job, tmp_path)
    end_job(database, queued_job, OLD)
    return queued_job


def end_job(database: Database, job_id: str, ago: timedelta) -> None:
    with database.transaction() as session:
        at = now(session)
        session.execute(update(Job).where(Job.id == job_id).values(finished_at=at - ago, created_at=at - OLD))
        session.execute(update(Dataset).values(created_at=at - OLD))
        session.execute(update(SummaryArchive).values(created_at=at - ago))


def expire(database: Database) -> tuple[int, int]:
    """How many logs and summaries."""
    with database.transaction() as session:
        before = now(session) - AGE
        return retention.expire(session, Dataset, before=before), retention.expire(
            session, SummaryArchive, before=before
        )


def add_evaluation(database: Database, job_id: str, *, ended: timedelta | None) -> None:
    with database.transaction() as session:
        at = now(session)
        session.add(
            Evaluation(
                id=new_id("eval"),
                tenant_id=DEFAULT_TENANT,
                created_at=at - OLD,
                job_id=job_id,
                spec={},
                state=RunState.FAILED if ended else RunState.QUEUED,
                finished_at=at - ended if ended else None,
            )
        )


def test_what_no_run_has_needed_for_long_expires_once(database: Database, finished_job: str) -> None:
    assert expire(database) == (1, 1)
    assert expire(database) == (0, 0)
    with database.reading() as session:
        job = session.get_one(Job, finished_job)
        assert job.summary is not None
        assert job.dataset.expired_at is not None
        assert job.summary.expired_at is not None


def test_what_ended_lately_is_kept(database: Database, finished_job: str) -> None:
    end_job(database, finished_job, RECENT)
    assert expire(database) == (0, 0)


@pytest.mark.parametrize("running", [False, True])
def test_the_log_of_a_job_that_has_not_ended_is_kept(
    database: Database, queued_job: str, running: bool
) -> None:
    """However long it waits."""
    with database.transaction() as session:
        session.execute(update(Dataset).values(created_at=now(session) - 10 * OLD))
    if running:
        claimed(database, queued_job)
    assert expire(database) == (0, 0)


@pytest.mark.parametrize(
    ("ended", "expired"), [(None, (0, 0)), (RECENT, (0, 0)), (OLD, (1, 1))], ids=["live", "recent", "old"]
)
def test_an_evaluation_keeps_log_and_summary(
    database: Database, finished_job: str, ended: timedelta | None, expired: tuple[int, int]
) -> None:
    add_evaluation(database, finished_job, ended=ended)
    assert expire(database) == expired


@pytest.mark.parametrize("kind", [Job, Evaluation], ids=["job", "evaluation"])
def test_a_pinned_run_keeps_log_and_summary(
    database: Database, finished_job: str, kind: type[Job | Evaluation]
) -> None:
    add_evaluation(database, finished_job, ended=OLD)
    with database.transaction() as session:
        session.execute(update(kind).values(pinned=True))
    assert expire(database) == (0, 0)
    with database.transaction() as session:
        session.execute(update(kind).values(pinned=False))
    assert expire(database) == (1, 1)


@pytest.mark.parametrize("migrated_url", ["postgres"], indirect=True)
def test_what_somebody_is_about_to_use_does_not_expire(database: Database, finished_job: str) -> None:
    """The evaluation that needs it is not committed yet, and no row tells of it."""
    with database.transaction() as session:
        retention.pin(session, session.get_one(Job, finished_job))
        assert expire(database) == (0, 0)
    assert expire(database) == (1, 1)
    with database.transaction() as session, pytest.raises(Exception, match="has expired"):
        retention.pin(session, session.get_one(Job, finished_job))


def test_what_has_expired_is_gone_for_clients(
    api: httpx.Client, database: Database, finished_job: str
) -> None:
    expire(database)
    job = api.get(f"/jobs/{finished_job}").json()
    assert job["summary"]["expired_at"] is not None
    assert "summary" not in job["links"]
    problem(api.get(f"/jobs/{finished_job}/summary"), 410, "expired")
    problem(api.post(f"/jobs/{finished_job}/evaluations", json={}), 410, "expired")


def test_a_log_that_expired_alone_can_no_longer_be_evaluated_on(
    api: httpx.Client, database: Database, finished_job: str
) -> None:
    with database.transaction() as session:
        assert retention.expire(session, Dataset, before=now(session) - AGE) == 1
    assert api.get(f"/jobs/{finished_job}/summary").status_code == 200
    body = problem(api.post(f"/jobs/{finished_job}/evaluations", json={}), 410, "expired")
    assert "The log of the job" in body["detail"]


def test_the_same_log_is_stored_anew_once_it_has_expired(
    api: httpx.Client, database: Database, settings: Settings
) -> None:
    def keys() -> list[str]:
        with database.reading() as session:
            return list(session.scalars(select(Dataset.storage_key).order_by(Dataset.id)))

    for _ in range(2):
        assert submit(api, force=True).status_code == 202
    assert len(set(keys())) == 1
    with database.transaction() as session:
        session.execute(update(Dataset).values(expired_at=now(session)))
        assert retention.referenced(session, keys()) == set()
    assert submit(api, force=True).status_code == 202
    assert len(set(keys())) == 2
    with database.reading() as session:
        assert retention.referenced(session, [*keys(), "other"]) == {keys()[-1]}
        assert session.scalar(select(func.count()).select_from(Dataset)) == 3
