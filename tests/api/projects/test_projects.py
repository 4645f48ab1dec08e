from collections.abc import Iterator

import httpx
import pytest

from api.access.scopes import Scope
from api.db import Database
from api.projects.schemas import PROJECT_EXAMPLE, ProjectOut
from api.settings import Settings
from tests.support.access import bearing, new_key
from tests.support.live_api import running_api
from tests.support.problems import problem


@pytest.fixture
def api(settings: Settings, database: Database) -> Iterator[httpx.Client]:
    """A platform administrator of a service with access control."""
    with running_api(settings.model_copy(update={"access_control": "keys"})) as client:
        client.headers.update(bearing(new_key(database, {Scope.PLATFORM})))
        yield client


def test_a_project_is_created_and_listed(api: httpx.Client) -> None:
    response = api.post("/v1/projects", json={"name": "Recommendations"})
    assert response.status_code == 201
    created = response.json()
    assert created["name"] == "Recommendations"
    assert api.get(response.headers["location"]).json() == created
    first = api.get("/v1/projects", params={"limit": 1}).json()
    assert first["items"] == [created]
    second = api.get("/v1/projects", params={"cursor": first["next_cursor"]}).json()
    assert [project["id"] for project in second["items"]] == ["default"]
    assert second["next_cursor"] is None


def test_name_and_weight_of_a_project_are_changed(api: httpx.Client) -> None:
    made = api.post("/v1/projects", json={"name": "Recommendations", "weight": 3}).json()
    assert made["weight"] == 3
    path = f"/v1/projects/{made['id']}"
    assert api.patch(path, json={"weight": 0.5}).json() == made | {"weight": 0.5}
    changed = made | {"weight": 0.5, "name": "Search"}
    assert api.patch(path, json={"name": "Search"}).json() == changed
    assert api.patch(path).json() == api.get(path).json() == changed
    entries = api.get("/v1/audit", params={"project": made["id"], "action": "project.changed"}).json()[
        "items"
    ]
    assert [(entry["before"]["weight"], entry["after"]["weight"]) for entry in entries] == [
        (0.5, 0.5),
        (3, 0.5),
    ]
    for weight in (0, -1, 1001, "much"):
        problem(api.patch(path, json={"weight": weight}), 422, "invalid_request")
    problem(api.patch("/v1/projects/proj_1", json={"weight": 2}), 404, "project_not_found")


def test_what_is_wrong_with_a_request_is_named(api: httpx.Client) -> None:
    for body, field in ({}, "name"), ({"name": ""}, "name"), ({"name": "a", "owner": "b"}, "owner"):
        refused = problem(api.post("/v1/projects", json=body), 422, "invalid_request")
        assert [error["field"] for error in refused["errors"]] == [field]
    problem(api.post("/v1/projects", content=b'{"name": "a"}'), 415, "unsupported_media_type")
    problem(api.get("/v1/projects/proj_1"), 404, "project_not_found")


def test_limits_are_changed_one_by_one_and_the_log_of_changes_says_from_what(api: httpx.Client) -> None:
    path = "/v1/projects/default"
    assert set(api.get(path).json()["limits"].values()) == {None}
    changed = api.patch(path, json={"limits": {"queued_runs": 3, "stored_bytes": 10}}).json()
    assert (changed["name"], changed["limits"]["queued_runs"]) == ("default", 3)
    changed = api.patch(
        path, json={"name": "First", "weight": 1.0, "limits": {"stored_bytes": None, "uploads": 2}}
    ).json()
    assert api.get(path).json() == changed
    assert {name: value for name, value in changed["limits"].items() if value} == {
        "queued_runs": 3,
        "uploads": 2,
    }
    assert api.patch(path, json={}).json() == changed
    second, first = api.get("/v1/audit", params={"action": "project.changed"}).json()["items"]
    assert first["before"] == {"name": "default", "weight": 1.0, "limits": {}}
    assert (
        first["after"]
        == second["before"]
        == {"name": "default", "weight": 1.0, "limits": {"queued_runs": 3, "stored_bytes": 10}}
    )
    assert second["after"] == {"name": "First", "weight": 1.0, "limits": {"queued_runs": 3, "uploads": 2}}


def test_what_is_wrong_with_limits_is_named(api: httpx.Client) -> None:
    path = "/v1/projects/default"
    for limits in (
        {"queued_runs": -1},
        {"queued_runs": 1.5},
        {"queued_runs": 2**53},
        {"uploads": 0},
        {"cpus": 1},
    ):
        refused = problem(api.patch(path, json={"limits": limits}), 422, "invalid_request")
        assert [error["field"] for error in refused["errors"]] == [f"limits.{name}" for name in limits]
    problem(api.patch("/v1/projects/proj_1", json={}), 404, "project_not_found")


def test_the_example_is_valid() -> None:
    ProjectOut.model_validate(PROJECT_EXAMPLE)
