import pytest
from sqlalchemy import select

from api.db import Database
from api.models import Event, Job, RunState
from api.runs.events import EventKind
from api.settings import Settings
from tests.support.counting import counting
from tests.support.jobs import job
from worker.execute import execute

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


def test_progress_reaches_the_row(database: Database, queued_job: str, settings: Settings) -> None:
    seen: list[tuple[str | None, float, dict[str, float] | None, dict[str, float] | None]] = []

    def between(step: int) -> None:
        row = job(database, queued_job)
        seen.append((row.stage, row.progress, row.losses, row.scores))

    assert (
        execute(Job, queued_job, {Job: counting(between)}, settings=settings, worker="w")
        is RunState.SUCCEEDED
    )
    assert seen[:2] == [("reading", 0.0, {}, {}), ("distilling", 0.1, {"outer": 1.0}, {"ndcg@10": 0.1})]


def test_what_goes_wrong_is_an_event(database: Database, queued_job: str, settings: Settings) -> None:
    execute(Job, queued_job, {Job: counting()}, settings=settings, worker="w")
    with database.reading() as session:
        found = session.scalars(select(Event.data).where(Event.kind == EventKind.WARNING)).all()
    assert found == [{"code": "training", "detail": "It is more than half done."}]
