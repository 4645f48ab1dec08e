import httpx
import pytest

from api.access.schemas import ME_EXAMPLE, Me
from api.access.scopes import Scope
from api.db import Database
from api.settings import Settings
from tests.support.access import add_project, bearing, new_key
from tests.support.live_api import running_api

on_sqlite = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


@on_sqlite
def test_it_says_whose_key_it_is_and_what_it_includes(api: httpx.Client, database: Database) -> None:
    key = new_key(database, {Scope.ADMIN}, project=add_project(database))
    mine = api.get("/v1/me", headers=bearing(key)).json()
    assert (mine["project"], mine["key_id"]) == (key.row.tenant_id, key.row.id)
    assert {"admin", "jobs:write", "summaries:read"} < set(mine["scopes"])
    assert "platform" not in mine["scopes"]


@on_sqlite
def test_without_access_control_everybody_may_do_everything(settings: Settings) -> None:
    with running_api(settings.model_copy(update={"access_control": "off"})) as api:
        everybody = api.get("/v1/me").json()
    limits = everybody.pop("limits")
    assert everybody == {
        "project": "default",
        "key_id": None,
        "user": None,
        "scopes": sorted(Scope),
        "expires_at": None,
    }
    used = {each["name"]: (each["limit"], each["used"], each["left"]) for each in limits}
    assert used["queued_runs"] == (None, 0, None)
    assert used["log_bytes"] == (settings.max_upload_bytes, None, settings.max_upload_bytes)


def test_the_example_is_valid() -> None:
    Me.model_validate(ME_EXAMPLE)
