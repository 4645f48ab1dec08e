"""The first platform administrator, whom the environment names."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from api.access.scopes import Scope
from api.db import Database
from api.keys import service
from api.keys.secret import digest, new_secret
from api.models import ApiKey, AuditEntry
from api.settings import Settings
from tests.support.databases import migrate
from tests.support.live_api import running_api
from tests.support.problems import problem
from tests.support.waiting import wait_until


@pytest.fixture
def text() -> str:
    """A key that was made elsewhere."""
    return new_secret()


@contextmanager
def started(settings: Settings, text: str) -> Iterator[httpx.Client]:
    named = settings.model_copy(update={"first_admin_sha256": digest(text)})
    with running_api(named) as api:
        api.headers["Authorization"] = f"Bearer {text}"
        yield api


def keys(database: Database) -> list[ApiKey]:
    with database.reading() as session:
        return list(session.scalars(select(ApiKey)))


def test_the_key_lets_in_a_platform_admin_whose_text_nobody_told(
    settings: Settings, database: Database, text: str
) -> None:
    with started(settings, text) as api, started(settings, text) as other:
        for process in (api, other):
            wait_until(lambda process=process: process.get("/v1/me").status_code == 200)
        assert set(api.get("/v1/me").json()["scopes"]) == set(Scope)
        assert api.post("/v1/projects", json={"name": "Recommendations"}).status_code == 201
    (key,) = keys(database)
    assert (key.name, key.scopes, key.last_characters) == ("First administrator", ["platform"], "")
    assert key.expires_at - key.created_at == service.LIFETIME
    with database.reading() as session:
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.target == key.id))
    assert (entry.action, entry.key_id, entry.address) == ("key.created", None, None)


def test_a_start_does_not_bring_back_one_that_was_revoked(
    settings: Settings, database: Database, text: str
) -> None:
    with started(settings, text) as api:
        wait_until(lambda: api.get("/v1/me").status_code == 200)
        assert api.delete(f"/v1/keys/{keys(database)[0].id}").status_code == 204
    with started(settings, text) as api:
        problem(api.get("/v1/me"), 401, "invalid_key")
    assert len(keys(database)) == 1


def test_without_access_control_none_is_stored(settings: Settings, database: Database, text: str) -> None:
    with started(settings.model_copy(update={"access_control": "off"}), text) as api:
        assert api.get("/v1/me").status_code == 200
    assert keys(database) == []


def test_it_comes_as_soon_as_there_are_tables(settings: Settings, text: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/later.sqlite3"
    with started(settings.model_copy(update={"database_url": url}), text) as api:
        assert api.get("/v1/me").status_code != 200
        migrate(url)
        wait_until(lambda: api.get("/v1/me").status_code == 200)
