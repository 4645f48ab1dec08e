"""Access control is on, and an administrator of the default project asks."""

from collections.abc import Iterator

import httpx
import pytest

from api.access.scopes import ROLES
from api.db import Database
from api.settings import Settings
from tests.support.access import bearing, new_key
from tests.support.live_api import running_api


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"access_control": "keys"})


@pytest.fixture
def api(settings: Settings, database: Database) -> Iterator[httpx.Client]:
    with running_api(settings) as client:
        client.headers.update(bearing(new_key(database, ROLES["admin"])))
        yield client
