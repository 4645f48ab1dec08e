"""Users with roles in projects, from those who give them to what they may then do."""

import time
from typing import Any

import httpx
import pytest
from httpx_sse import connect_sse

from api.access.scopes import ROLES, Scope
from api.access.users import user_id
from api.db import Database
from api.http.auth import RECHECK_SECONDS
from api.members.schemas import MEMBER_EXAMPLE, MemberIn, MemberOut
from api.runs import claims
from api.runs.claims import Claim
from api.runs.events import EventKind
from api.settings import Settings
from tests.support.access import add_project, bearing, new_key
from tests.support.claims import claimed
from tests.support.issuers import Issuer
from tests.support.jobs import add_job
from tests.support.live_api import running_api
from tests.support.problems import problem
from tests.support.submissions import submit

on_sqlite = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
MEMBERS = "/v1/projects/default/members"


@pytest.fixture
def settings(settings: Settings, issuer: Issuer) -> Settings:
    return issuer.trusted(settings, {"claims": {"groups": "operators"}, "role": "platform"})


@pytest.fixture
def admin(database: Database) -> dict[str, str]:
    """The header of an administrator of the default project."""
    return bearing(new_key(database, ROLES["admin"]))


def add(
    api: httpx.Client, admin: dict[str, str], subject: str = "ada", role: str = "member"
) -> dict[str, Any]:
    return api.post(MEMBERS, headers=admin, json={"subject": subject, "role": role}).json()


def test_members_are_added_changed_listed_and_removed(
    api: httpx.Client, issuer: Issuer, admin: dict[str, str]
) -> None:
    ada = user_id(issuer.url, "ada")
    created = api.post(MEMBERS, headers=admin, json={"subject": "ada", "role": "viewer"})
    assert (created.status_code, created.headers["location"]) == (201, f"{MEMBERS}/{ada}")
    member = created.json()
    assert (member["user_id"], member["issuer"], member["role"]) == (ada, issuer.url, "viewer")
    changed = api.post(MEMBERS, headers=admin, json={"subject": "ada", "role": "admin", "issuer": issuer.url})
    assert (changed.status_code, changed.json()) == (200, member | {"role": "admin"})
    assert api.post(MEMBERS, headers=admin, json={"subject": "ada", "role": "admin"}).status_code == 200
    add(api, admin, "bob")
    listed = api.get(MEMBERS, headers=admin).json()["items"]
    assert [item["subject"] for item in listed] == ["bob", "ada"]
    assert api.get(f"{MEMBERS}/{ada}", headers=admin).json() == listed[1]
    assert api.delete(f"{MEMBERS}/{ada}", headers=admin).status_code == 204
    for method in ("GET", "DELETE"):
        problem(api.request(method, f"{MEMBERS}/{ada}", headers=admin), 404, "member_not_found")
    entries = api.get("/v1/audit", params={"target": ada}, headers=admin).json()["items"]
    told = [(entry["action"], entry["before"] and entry["before"]["role"]) for entry in entries]
    assert told == [("member.removed", "admin"), ("member.changed", "viewer"), ("member.added", None)]
    assert entries[2]["after"] == {"issuer": issuer.url, "subject": "ada", "role": "viewer"}


@on_sqlite
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"subject": "ada"}, "role"),
        ({"subject": "ada", "role": "platform"}, "role"),
        ({"subject": "", "role": "viewer"}, "subject"),
        ({"subject": "a\x00b", "role": "viewer"}, "subject"),
        ({"subject": "a" * 256, "role": "viewer"}, "subject"),
        ({"subject": "ada", "role": "viewer", "issuer": "https://elsewhere.example.com"}, "issuer"),
    ],
    ids=["no role", "platform", "empty", "control", "long", "another issuer"],
)
def test_what_is_no_member_is_refused(
    api: httpx.Client, admin: dict[str, str], body: dict[str, str], field: str
) -> None:
    refused = problem(api.post(MEMBERS, headers=admin, json=body), 422, "invalid_request")
    assert refused["errors"][0]["field"] == field


def test_a_role_that_is_taken_away_ends_at_once_in_every_process(
    settings: Settings, issuer: Issuer, admin: dict[str, str]
) -> None:
    ada = issuer.bearing("ada")
    with running_api(settings) as one, running_api(settings) as other:

        def statuses() -> list[int]:
            return [process.get("/v1/jobs", headers=ada).status_code for process in (one, other)]

        assert statuses() == [403, 403]
        member = add(one, admin)
        assert statuses() == [200, 200]
        assert one.delete(f"{MEMBERS}/{member['user_id']}", headers=admin).status_code == 204
        assert statuses() == [403, 403]
        told = problem(other.get("/v1/me", headers=ada), 403, "no_project")
        assert member["user_id"] in told["detail"]


@on_sqlite
def test_a_stream_sends_nothing_more_once_a_role_is_taken_away_or_the_token_has_expired(
    settings: Settings, database: Database, issuer: Issuer, admin: dict[str, str], queued_job: str
) -> None:
    with running_api(settings.model_copy(update={"oidc_skew_seconds": 0})) as api:
        ada = add(api, admin)
        add(api, admin, "bob")
        with database.transaction() as session:
            other = add_job(session).id

        def remove(_: float) -> None:
            assert api.delete(f"{MEMBERS}/{ada['user_id']}", headers=admin).status_code == 204

        def wait(until: float) -> None:
            time.sleep(max(0, until - time.time()))

        for subject, job_id, end in (("ada", queued_job, remove), ("bob", other, wait)):
            held = claimed(database, job_id)
            until = int(time.time()) + 10
            token = issuer.bearing(subject, exp=until)
            with connect_sse(api, "GET", f"/v1/jobs/{job_id}/events", headers=token) as source:
                events = source.iter_sse()
                assert next(events).event == "claimed"
                time.sleep(RECHECK_SECONDS)
                note(database, held)
                assert next(events).event == "warning"
                end(until)
                time.sleep(RECHECK_SECONDS)
                note(database, held)
                assert [event for event in events if event.data] == []
            assert api.get("/v1/jobs", headers=token).status_code in (401, 403)


def note(database: Database, held: Claim) -> None:
    with database.transaction() as session:
        claims.record(session, held, EventKind.WARNING)


def test_a_user_of_several_projects_says_which_one(
    api: httpx.Client, database: Database, issuer: Issuer, admin: dict[str, str]
) -> None:
    theirs, foreign = add_project(database), add_project(database)
    ada = issuer.bearing("ada")
    add(api, admin)
    assert api.get("/v1/me", headers=ada).json()["project"] == "default"
    leader = bearing(new_key(database, ROLES["admin"], project=theirs))
    path = f"/v1/projects/{theirs}/members"
    assert api.post(path, headers=leader, json={"subject": "ada", "role": "admin"}).status_code == 201
    unsaid = problem(api.get("/v1/me", headers=ada), 400, "project_not_chosen")
    assert unsaid["errors"] == [
        {"project": "default", "reason": "member"},
        {"project": theirs, "reason": "admin"},
    ]
    for project, may in (("default", False), (theirs, True)):
        mine = api.get("/v1/me", headers={**ada, "TD3-Project": project}).json()
        assert (mine["project"], "admin" in mine["scopes"]) == (project, may)
    for project in (foreign, "proj_0", ""):
        problem(api.get("/v1/me", headers={**ada, "TD3-Project": project}), 404, "project_not_found")
    problem(api.get("/v1/me", headers={**admin, "TD3-Project": theirs}), 404, "project_not_found")
    assert api.get("/v1/me", headers={**admin, "TD3-Project": "default"}).status_code == 200


@on_sqlite
def test_an_operator_by_a_group_acts_in_any_project(
    api: httpx.Client, database: Database, issuer: Issuer, admin: dict[str, str]
) -> None:
    theirs = add_project(database)
    operator = issuer.bearing("olga", groups=["staff", "operators"])
    mine = api.get("/v1/me", headers=operator).json()
    assert (mine["project"], set(mine["scopes"])) == ("default", set(Scope))
    assert api.get("/v1/me", headers={**operator, "TD3-Project": theirs}).json()["project"] == theirs
    problem(api.get("/v1/me", headers={**operator, "TD3-Project": "proj_0"}), 404, "project_not_found")
    added = api.post(
        f"/v1/projects/{theirs}/members", headers=operator, json={"subject": "ada", "role": "viewer"}
    )
    assert added.json()["created_by"] == user_id(issuer.url, "olga")
    problem(api.get(f"/v1/projects/{theirs}/members", headers=admin), 404, "project_not_found")
    problem(api.get("/v1/me", headers=issuer.bearing("olga", groups=["staff"])), 403, "no_project")


@on_sqlite
def test_rules_and_membership_add_up_and_no_project_that_is_gone_counts(
    settings: Settings, issuer: Issuer, admin: dict[str, str]
) -> None:
    rules = (
        {
            "claims": {"repository": "acme/recsys", "ref": "refs/heads/main"},
            "role": "viewer",
            "project": "default",
        },
        {"claims": {"repository": "acme/recsys"}, "role": "admin", "project": "proj_gone"},
    )
    with running_api(issuer.trusted(settings, *rules)) as api:
        ci = {"repository": "acme/recsys", "ref": "refs/heads/main"}
        header = issuer.bearing("repo:acme/recsys", **ci)
        mine = api.get("/v1/me", headers=header).json()
        assert (mine["project"], "jobs:write" in mine["scopes"]) == ("default", False)
        problem(api.get("/v1/me", headers={**header, "TD3-Project": "proj_gone"}), 404, "project_not_found")
        add(api, admin, "repo:acme/recsys")
        assert "jobs:write" in api.get("/v1/me", headers=header).json()["scopes"]
        other = issuer.bearing("repo:acme/others", repository="acme/others", ref="refs/heads/main")
        problem(api.get("/v1/me", headers=other), 403, "no_project")


def test_runs_changes_and_the_log_name_the_user(
    api: httpx.Client, issuer: Issuer, admin: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    add(api, admin, role="admin")
    ada = user_id(issuer.url, "ada")
    api.headers.update(issuer.bearing("ada", name="Ada Lovelace"))
    caplog.set_level("INFO")
    submitted = submit(api).json()
    assert submitted["created_by"] == ada
    (entry,) = api.get("/v1/audit", params={"user_id": ada}).json()["items"]
    assert (entry["target"], entry["key_id"], entry["user_id"]) == (submitted["id"], None, ada)
    assert entry["user"] == {"id": ada, "issuer": issuer.url, "subject": "ada", "name": "Ada Lovelace"}
    assert api.get("/v1/audit", params={"user_id": user_id(issuer.url, "bob")}).json()["items"] == []
    key = api.post("/v1/keys", json={"name": "CI", "role": "viewer"}).json()
    assert key["created_by"] == ada
    done = [record for record in caplog.records if record.msg == "request.done"]
    assert {getattr(record, "user_id", None) for record in done} == {ada}
    assert api.headers["authorization"].removeprefix("Bearer ") not in str(
        [r.__dict__ for r in caplog.records]
    )


def test_the_examples_are_valid() -> None:
    MemberOut.model_validate(MEMBER_EXAMPLE)
    MemberIn.model_validate({"subject": MEMBER_EXAMPLE["subject"], "role": "member"})
