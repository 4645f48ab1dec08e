"""Every operation, with every scope and role, on a running API: the cases are those of the application's own routes."""

from collections.abc import Collection

import httpx
import pytest

from api.access.scopes import ROLES, Scope, granted
from api.app import create_app
from api.db import Database
from api.http.permissions import NEEDS, Open, need_of
from api.settings import Settings
from tests.support.access import bearing, new_key
from tests.support.issuers import issuing
from tests.support.live_api import running_api
from tests.support.operations import Operation, operations
from tests.support.problems import problem

OPERATIONS = operations()
IDS = {
    "job_id": "job_1",
    "evaluation_id": "eval_1",
    "key_id": "key_1",
    "project_id": "proj_1",
    "user_id": "user_1",
    "webhook_id": "hook_1",
    "delivery_id": "msg_1",
}


def test_every_operation_is_in_the_table_and_nothing_else_is() -> None:
    served = {
        (operation.method, operation.template) for operation in OPERATIONS if operation.method != "HEAD"
    }
    assert len(served) > 15
    assert set(NEEDS) == served


def test_nobody_does_anything_without_a_key(api: httpx.Client) -> None:
    for operation in OPERATIONS:
        response = operation.request(api, {}, ids=IDS)
        if need_of(operation.method, operation.template) is Open.NOTHING:
            assert response.status_code == 200, operation
        else:
            assert response.status_code == 401, operation
            assert response.headers["www-authenticate"] == 'Bearer realm="td3"'


def test_a_key_does_what_its_scopes_say(api: httpx.Client, database: Database) -> None:
    every_scope: list[Collection[Scope]] = [[], *([scope] for scope in Scope)]
    for given in (*every_scope, *ROLES.values()):
        header = bearing(new_key(database, given))
        for operation in OPERATIONS:
            check(operation, operation.request(api, header, ids=IDS), given)


def test_a_user_does_what_their_role_says(settings: Settings, database: Database) -> None:
    with issuing() as issuer:
        rules = [
            {"claims": {"role": role}, "role": role} | ({} if role == "platform" else {"project": "default"})
            for role in ROLES
        ]
        with running_api(issuer.trusted(settings, *rules)) as api:
            for role, given in ROLES.items():
                header = issuer.bearing(role, role=role)
                for operation in OPERATIONS:
                    check(operation, operation.request(api, header, ids=IDS), given)
            for header in (issuer.bearing("nobody"), issuer.bearing("gone", exp=1)):
                for operation in OPERATIONS:
                    status = operation.request(api, header, ids=IDS).status_code
                    free = need_of(operation.method, operation.template) is Open.NOTHING
                    assert (status == 200) if free else status in (401, 403), operation


def check(operation: Operation, response: httpx.Response, given: Collection[Scope]) -> None:
    """Check that the operation was let through if the scopes say so, and refused otherwise."""
    need = need_of(operation.method, operation.template)
    if isinstance(need, Open) or need in granted(given):
        assert response.status_code not in (401, 403), (operation, given)
    elif operation.method == "HEAD":
        assert response.status_code == 403, (operation, given)
    else:
        body = problem(response, 403, "missing_scope")
        assert body["errors"] == [{"scope": need, "reason": body["detail"]}]
        assert f'error="insufficient_scope", scope="{need}"' in response.headers["www-authenticate"]


def test_an_operation_that_nobody_has_decided_is_closed(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.http.permissions.NEEDS", {("GET", "/jobs"): Scope.JOBS_READ})
    header = bearing(new_key(database, ROLES["platform"]))
    with running_api(settings) as api:
        assert api.get("/v1/jobs", headers=header).status_code == 200
        problem(api.get("/v1/workers", headers=header), 403, "missing_scope")


def test_without_access_control_everybody_does_everything(settings: Settings) -> None:
    with running_api(settings.model_copy(update={"access_control": "off"})) as api:
        for operation in OPERATIONS:
            assert operation.request(api, {}, ids=IDS).status_code not in (401, 403), operation


def test_the_document_names_the_scope_of_each_operation(settings: Settings) -> None:
    document = create_app(settings).openapi()
    assert document["components"]["securitySchemes"]["api_key"]["scheme"] == "bearer"
    for operation in OPERATIONS:
        if operation.path not in document["paths"] or operation.method == "HEAD":
            continue
        need = need_of(operation.method, operation.template)
        described = document["paths"][operation.path][operation.method.lower()]
        if need is Open.NOTHING:
            assert described["security"] == []
            assert {"401", "403"}.isdisjoint(described["responses"])
        else:
            assert described["security"] == [{"api_key": [need] if isinstance(need, Scope) else []}]
            assert set(described["responses"]["401"]["content"]["application/problem+json"]["examples"]) == {
                "unauthenticated",
                "invalid_key",
                "invalid_token",
            }
            refused = described["responses"]["403"]["content"]["application/problem+json"]["examples"]
            assert ("missing_scope" in refused) is isinstance(need, Scope)


def test_without_access_control_the_document_says_that_a_key_is_optional(settings: Settings) -> None:
    document = create_app(settings.model_copy(update={"access_control": "off"})).openapi()
    assert document["paths"]["/v1/jobs"]["get"]["security"] == [{}, {"api_key": ["jobs:read"]}]
