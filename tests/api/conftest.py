"""Jobs in the states from which the tests of the service start."""

from pathlib import Path

import pytest

from api.db import Database
from api.settings import Settings
from tests.support.summaries import add_summary


@pytest.fixture
def finished_job(database: Database, settings: Settings, queued_job: str, tmp_path: Path) -> str:
    """Id of a job that has succeeded and has a summary."""
    add_summary(database, settings, queued_job, tmp_path)
    return queued_job
