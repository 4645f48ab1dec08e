"""Workers as processes of their own."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from api.settings import Settings
from tests.support.workers import Workers


@pytest.fixture
def workers(settings: Settings, tmp_path: Path) -> Iterator[Workers]:
    """Starts workers with the settings of the test; they end with it."""
    with ExitStack() as stack:
        yield Workers(settings, tmp_path, stack)
