from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from api.access.scopes import ROLES, Scope
from api.db import Database
from api.keys.schemas import KEY_EXAMPLE, NEW_KEY_EXAMPLE, CreatedKey, KeyIn, KeyOut
from api.keys.secret import is_well_formed
from tests.support.access import add_project, bearing, new_key
from tests.support.problems import problem


def create(api: httpx.Client, **fields: Any) -> httpx.Response:
    return api.post("/v1/keys", json={"name": "test", **fields})


def me(api: httpx.Client, key: str) -> httpx.Response:
    return api.get("/v1/me", headers={"Authorization": f"Bearer {key}"})


def test_a_key_is_shown_once_and_then_without_its_text(api: httpx.Client) -> None:
    response = create(api, name="Nightly", scopes=["jobs:write", "jobs:read"])
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    created = response.json()
    text = created.pop("key")
    assert is_well_formed(text)
    assert created["last_characters"] == text[-4:]
    assert (created["name"], created["project"]) == ("Nightly", "default")
    assert created["created_by"] == api.get("/v1/me").json()["key_id"]
    assert api.get(response.headers["location"]).json() == created
    assert api.get("/v1/keys").json()["items"][0] == created
    assert text not in api.get("/v1/keys").text
    shown = me(api, text).json()
    assert {limit["name"] for limit in shown.pop("limits")} >= {"queued_runs", "stored_bytes"}
    assert shown == {
        "project": "default",
        "key_id": created["id"],
        "scopes": ["jobs:read", "jobs:write"],
        "expires_at": created["expires_at"],
        "user": None,
    }


def test_a_key_lives_as_long_as_it_was_asked_for(api: httpx.Client) -> None:
    for asked, expected in ({}, 90), ({"expires_in_days": 0.5}, 0.5):
        created = create(api, role="viewer", **asked).json()
        span = datetime.fromisoformat(created["expires_at"]) - datetime.fromisoformat(created["created_at"])
        assert span == timedelta(days=expected)


@pytest.mark.parametrize("role", [role for role in ROLES if role != "platform"])
def test_a_role_is_a_name_for_scopes(api: httpx.Client, role: str) -> None:
    assert create(api, role=role).json()["scopes"] == sorted(ROLES[role])


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "body"),
        ({"role": "viewer", "scopes": ["jobs:read"]}, "body"),
        ({"scopes": ["jobs:everything"]}, "scopes.0"),
        ({"scopes": []}, "scopes"),
        ({"role": "king"}, "role"),
        ({"role": "viewer", "name": ""}, "name"),
        ({"role": "viewer", "expires_in_days": 0}, "expires_in_days"),
        ({"role": "viewer", "expires_in_days": 4000}, "expires_in_days"),
        ({"role": "viewer", "owner": "ada"}, "owner"),
    ],
)
@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_what_is_wrong_with_a_request_is_named(api: httpx.Client, fields: dict[str, Any], field: str) -> None:
    refused = problem(create(api, **fields), 422, "invalid_request")
    assert [error["field"] for error in refused["errors"]] == [field]


@pytest.mark.parametrize("scope", ["platform", "metrics:read"])
def test_nobody_gives_what_they_do_not_have(api: httpx.Client, database: Database, scope: str) -> None:
    refused = problem(create(api, scopes=[scope]), 403, "missing_scope")
    assert refused["errors"][0]["scope"] in refused["detail"]
    stronger = new_key(database, {Scope(scope)})
    problem(api.post(f"/v1/keys/{stronger.row.id}/rotate"), 403, "missing_scope")
    problem(api.delete(f"/v1/keys/{stronger.row.id}"), 403, "missing_scope")
    api.headers.update(bearing(new_key(database, {Scope.PLATFORM})))
    assert create(api, scopes=[scope]).status_code == 201
    assert api.post(f"/v1/keys/{stronger.row.id}/rotate").status_code == 201
    assert api.delete(f"/v1/keys/{stronger.row.id}").status_code == 204


def test_a_key_is_replaced_while_both_are_valid(api: httpx.Client) -> None:
    former = create(api, role="viewer").json()
    rotated = api.post(f"/v1/keys/{former['id']}/rotate", json={"overlap_seconds": 3600})
    assert rotated.status_code == 201
    latter = rotated.json()
    assert (latter["replaces"], latter["scopes"]) == (former["id"], former["scopes"])
    assert [me(api, key["key"]).status_code for key in (former, latter)] == [200, 200]
    ends = datetime.fromisoformat(api.get(f"/v1/keys/{former['id']}").json()["expires_at"])
    began = datetime.fromisoformat(latter["created_at"])
    assert timedelta(minutes=59) < ends - began < timedelta(minutes=61)
    problem(api.post(f"/v1/keys/{former['id']}/rotate"), 409, "key_not_rotatable")


def test_a_key_is_revoked_at_once_and_stays_listed(api: httpx.Client) -> None:
    key = create(api, role="viewer").json()
    for _ in range(2):
        assert api.delete(f"/v1/keys/{key['id']}").status_code == 204
    problem(me(api, key["key"]), 401, "invalid_key")
    listed = {item["id"]: item for item in api.get("/v1/keys").json()["items"]}
    assert listed[key["id"]]["revoked_at"] is not None
    problem(api.delete("/v1/keys/key_1"), 404, "key_not_found")


def test_a_platform_administrator_manages_the_keys_of_every_project(
    api: httpx.Client, database: Database
) -> None:
    project = add_project(database)
    problem(api.post("/v1/keys", params={"project": project}, json={}), 404, "project_not_found")
    api.headers.update(bearing(new_key(database, {Scope.PLATFORM})))
    created = api.post("/v1/keys", params={"project": project}, json={"name": "Ada", "role": "admin"}).json()
    assert me(api, created["key"]).json()["project"] == project
    listed = api.get("/v1/keys", params={"project": project}).json()["items"]
    assert [key["id"] for key in listed] == [created["id"]]
    problem(api.get(f"/v1/keys/{created['id']}"), 404, "key_not_found")
    assert api.get(f"/v1/keys/{created['id']}", params={"project": project}).status_code == 200
    problem(api.get("/v1/keys", params={"project": "proj_1"}), 404, "project_not_found")


def test_the_examples_are_valid() -> None:
    KeyOut.model_validate(KEY_EXAMPLE)
    CreatedKey.model_validate(NEW_KEY_EXAMPLE)
    assert set(ROLES) == set(KeyIn.model_json_schema()["properties"]["role"]["anyOf"][0]["enum"])


def test_a_field_that_is_given_twice_is_refused(api: httpx.Client) -> None:
    twice = b'{"name": "one", "scopes": ["jobs:read"], "name": "two"}'
    response = api.post("/v1/keys", content=twice, headers={"Content-Type": "application/json"})
    refused = problem(response, 422, "invalid_request")
    assert [(error["field"], error["got"]) for error in refused["errors"]] == [("name", "two")]
