"""The site, built once for the tests that look at it."""

from pathlib import Path

import pytest

from guide.__main__ import build_site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "guide"
    build_site(folder)
    return folder
