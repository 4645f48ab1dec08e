import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from api.access.scopes import Scope
from api.audit import service
from api.audit.schemas import AUDIT_EXAMPLE, AuditEntryOut
from api.audit.service import BATCH, Action, Filter
from api.db import Database, now
from api.jobs import service as jobs
from api.models import DEFAULT_TENANT, AuditEntry
from api.settings import Settings
from tests.support.access import add_project, bearing, new_key
from tests.support.jobs import add_job
from tests.support.keepers import brisk, keepers
from tests.support.live_api import running_api
from tests.support.problems import problem
from tests.support.submissions import submit
from tests.support.waiting import wait_until


@pytest.fixture
def api(settings: Settings, database: Database) -> Iterator[httpx.Client]:
    """A platform administrator of a service with access control."""
    with running_api(settings.model_copy(update={"access_control": "keys"})) as client:
        client.headers.update(bearing(new_key(database, {Scope.PLATFORM})))
        yield client


def changes(api: httpx.Client, **wanted: Any) -> list[dict[str, Any]]:
    return api.get("/v1/audit", params=wanted).json()["items"]


def record(database: Database, *, tenant_id: str = DEFAULT_TENANT, number: int = 1) -> None:
    with database.transaction() as session:
        for n in range(number):
            service.record(session, Action.JOB_PAUSED, f"job_{n}", tenant_id=tenant_id)


def test_a_change_is_recorded_with_who_made_it_and_from_where(api: httpx.Client) -> None:
    me = api.get("/v1/me").json()
    submitted = submit(api)
    job_id = submitted.json()["id"]
    (entry,) = changes(api, target=job_id)
    assert entry["action"] == "job.submitted"
    assert (entry["key_id"], entry["address"]) == (me["key_id"], "127.0.0.1")
    assert entry["request_id"] == submitted.headers["x-request-id"]
    assert (entry["before"], entry["after"]) == (None, None)


def test_each_change_of_a_run_is_one_entry_and_what_changes_nothing_is_none(api: httpx.Client) -> None:
    job_id = submit(api).json()["id"]
    assert submit(api).json()["deduplicated"]
    for operation in ("pause", "pause", "resume", "cancel", "cancel"):
        assert api.post(f"/v1/jobs/{job_id}/{operation}").status_code == 202
    problem(api.post(f"/v1/jobs/{job_id}/resume"), 409, "already_finished")
    told = [(entry["action"], (entry["after"] or {}).get("state")) for entry in changes(api, target=job_id)]
    assert told == [
        ("job.cancelled", "cancelled"),
        ("job.resumed", "queued"),
        ("job.paused", "paused"),
        ("job.submitted", None),
    ]


def test_keys_and_projects_are_recorded_in_their_project_without_secrets(api: httpx.Client) -> None:
    project = api.post("/v1/projects", json={"name": "Theirs"}).json()["id"]
    there = {"project": project}
    key = api.post("/v1/keys", params=there, json={"name": "CI", "scopes": ["jobs:read"]}).json()
    successor = api.post(f"/v1/keys/{key['id']}/rotate", params=there, json={"overlap_seconds": 60}).json()
    assert api.delete(f"/v1/keys/{key['id']}", params=there).status_code == 204
    revoked, created, rotated, first, founded = changes(api, **there)
    actions = [entry["action"] for entry in (revoked, created, rotated, first, founded)]
    assert actions == ["key.revoked", "key.created", "key.rotated", "key.created", "project.created"]
    assert founded["after"] == {"name": "Theirs", "weight": 1.0, "limits": {}}
    assert (first["after"]["scopes"], first["target"]) == (["jobs:read"], key["id"])
    assert (created["after"]["replaces"], created["target"]) == (key["id"], successor["id"])
    assert rotated["before"]["expires_at"] > rotated["after"]["expires_at"]
    assert (revoked["before"], revoked["target"]) == ({"revoked_at": None}, key["id"])
    assert revoked["after"]["revoked_at"] is not None
    assert key["key"] not in str(changes(api, **there))


def test_webhooks_are_recorded_with_what_was_changed_and_without_secrets(api: httpx.Client) -> None:
    spec = {"url": "https://example.org/told", "events": ["job.succeeded"]}
    created = api.post("/v1/webhooks", json=spec).json()
    path = f"/v1/webhooks/{created['id']}"
    for _ in range(2):
        assert api.patch(path, json={"enabled": False}).status_code == 200
    rotated = api.post(f"{path}/rotate").json()
    assert api.delete(path).status_code == 204
    entries = changes(api, target=created["id"])
    assert [entry["action"] for entry in entries] == [
        "webhook.removed",
        "webhook.rotated",
        "webhook.changed",
        "webhook.created",
    ]
    _, _, changed, first = entries
    assert first["after"] == {**spec, "enabled": True, "job_id": None}
    assert (changed["before"]["enabled"], changed["after"]["enabled"]) == (True, False)
    assert created["secret"] not in str(entries)
    assert rotated["secret"] not in str(entries)


def test_an_entry_is_written_only_with_its_change(database: Database) -> None:
    with database.transaction() as session:
        job_id = add_job(session).id
    entries = select(func.count()).select_from(AuditEntry)
    with database.transaction() as session:
        jobs.pause(session, job_id, tenant_id=DEFAULT_TENANT)
        session.flush()
        assert session.scalar(entries) == 1
        session.rollback()
    with database.reading() as session:
        assert session.scalar(entries) == 0
        assert jobs.get(session, job_id, tenant_id=DEFAULT_TENANT).state == "queued"


def test_entries_are_chosen_by_action_target_key_and_time(api: httpx.Client, database: Database) -> None:
    record(database, number=3)
    with database.transaction() as session:
        at = now(session)
        session.execute(
            update(AuditEntry).where(AuditEntry.target == "job_1").values(created_at=at - timedelta(days=2))
        )
    key_id = api.get("/v1/me").json()["key_id"]

    def targets(**wanted: Any) -> list[str]:
        return [entry["target"] for entry in changes(api, **wanted)]

    assert targets(action="job.paused") == ["job_2", "job_1", "job_0"]
    assert targets(target="job_0") == ["job_0"]
    day_ago = (at - timedelta(days=1)).isoformat()
    assert targets(action="job.paused", until=day_ago) == ["job_1"]
    assert targets(action="job.paused", since=day_ago) == ["job_2", "job_0"]
    assert targets(key_id=key_id) == []
    job_id = submit(api).json()["id"]
    assert targets(key_id=key_id) == [job_id]
    problem(api.get("/v1/audit?action=job.eaten"), 422, "invalid_request")
    problem(api.get("/v1/audit?since=2026-01-01T00:00:00"), 422, "invalid_request")


def test_the_export_has_every_entry_of_the_project_once_oldest_first(
    api: httpx.Client, database: Database
) -> None:
    record(database, number=BATCH + 1)
    record(database, tenant_id=add_project(database))
    with api.stream("GET", "/v1/audit/export", params={"action": "job.paused"}) as response:
        assert response.headers["content-type"] == "application/jsonl"
        exported = [json.loads(line) for line in response.iter_lines()]
    assert [entry["target"] for entry in exported] == [f"job_{n}" for n in range(BATCH + 1)]
    assert exported[-1] == changes(api, action="job.paused", limit=1)[0]


def test_another_projects_entries_cannot_be_had(api: httpx.Client, database: Database) -> None:
    record(database)
    api.headers.update(bearing(new_key(database, {Scope.ADMIN}, project=add_project(database))))
    assert [entry["action"] for entry in changes(api)] == ["key.created"]
    assert len(api.get("/v1/audit/export").text.splitlines()) == 1
    for path in ("/v1/audit", "/v1/audit/export"):
        problem(api.get(path, params={"project": "default"}), 404, "project_not_found")


def test_the_keeper_deletes_old_entries(settings: Settings, database: Database) -> None:
    record(database, number=2)
    with database.transaction() as session:
        session.execute(
            update(AuditEntry)
            .where(AuditEntry.target == "job_0")
            .values(created_at=now(session) - timedelta(days=8))
        )

    def kept() -> list[str]:
        with database.reading() as session:
            return [entry.target for entry in session.scalars(Filter().query(DEFAULT_TENANT))]

    assert sorted(kept()) == ["job_0", "job_1"]
    with keepers(brisk(settings).model_copy(update={"keep_audit_days": 7})):
        wait_until(lambda: kept() == ["job_1"])


def test_the_example_is_valid() -> None:
    AuditEntryOut.model_validate(AUDIT_EXAMPLE)


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "0.5", "-1700000000", "1700000000000"],
)
def test_moments_before_and_after_all_time_and_numbers_are_refused(api: httpx.Client, moment: str) -> None:
    for route in ("/v1/audit", "/v1/audit/export"):
        refused = problem(api.get(route, params={"since": moment}), 422, "invalid_request")
        assert [error["field"] for error in refused["errors"]] == ["since"]


def test_the_changes_of_a_project_that_does_not_exist_are_not_found(api: httpx.Client) -> None:
    for route in ("/v1/audit", "/v1/audit/export"):
        problem(api.get(route, params={"project": "proj_0"}), 404, "project_not_found")
