import pytest

from api.db import Database
from api.models import Job, RunState
from api.runs import claims
from api.settings import Settings
from td3core.progress import Progress
from tests.api.runs.test_claims import job
from worker.execute import Attempt, Finish, execute
from worker.follow import follow, starting

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


def test_progress_reaches_the_row(database: Database, queued_job: str, settings: Settings) -> None:
    seen: list[Job] = []

    def work(attempt: Attempt) -> Finish:
        starting(attempt.watch, "reading")
        seen.append(job(database, queued_job))
        follow(
            [
                Progress("teacher", 1, 10, {"train": 3.5, "worst": float("nan")}, 0.1, 12.0),
                Progress("packing", 1, 1, {}, 0.9, 0.5),
            ],
            attempt.watch,
        )
        seen.append(job(database, queued_job))
        return lambda session, held: claims.succeed(session, held)

    assert execute(Job, queued_job, work, settings=settings, worker="w") is RunState.SUCCEEDED
    assert [(row.stage, row.progress, row.losses) for row in seen] == [
        ("reading", 0.0, {}),
        ("packing", 0.9, {"train": 3.5}),
    ]
