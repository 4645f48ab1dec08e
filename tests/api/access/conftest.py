"""Access control is on."""

import pytest

from api.settings import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"access_control": "keys"})
