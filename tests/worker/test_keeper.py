from contextlib import ExitStack

import pytest
import redis

from api.db import Database
from api.models import RunState
from api.queue import QUEUE
from api.settings import Settings
from tests.support.claims import cancel, claimed, expire_lease
from tests.support.jobs import job
from tests.support.keepers import brisk, keepers
from tests.support.outages import closed_to_all
from tests.support.waiting import wait_until


def test_an_abandoned_run_is_queued_and_announced_again(
    database: Database, settings: Settings, broker: redis.Redis, queued_job: str
) -> None:
    """By one of two keepers."""
    claimed(database, queued_job)
    expire_lease(database, queued_job)
    with keepers(brisk(settings), 2):
        wait_until(lambda: broker.llen(QUEUE) == 1)
    row = job(database, queued_job)
    assert (row.state, row.crashes) == (RunState.QUEUED, 1)
    assert broker.llen(QUEUE) == 1


def test_a_run_left_in_cancelling_is_ended(database: Database, settings: Settings, queued_job: str) -> None:
    claimed(database, queued_job)
    cancel(database, queued_job)
    expire_lease(database, queued_job)
    with keepers(brisk(settings)):
        wait_until(lambda: job(database, queued_job).state is RunState.CANCELLED)


@pytest.mark.parametrize("migrated_url", ["postgres"], indirect=True)
def test_a_keeper_waits_for_a_database_that_is_away(
    database: Database,
    settings: Settings,
    queued_job: str,
    migrated_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    claimed(database, queued_job)
    expire_lease(database, queued_job)
    with ExitStack() as stack:
        with closed_to_all(migrated_url):
            stack.enter_context(keepers(brisk(settings)))
            wait_until(lambda: caplog.messages.count("keeper.database_unavailable") > 4)
        wait_until(lambda: job(database, queued_job).state is RunState.QUEUED)
