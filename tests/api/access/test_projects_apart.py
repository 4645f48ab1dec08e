"""What belongs to one project does not exist for another."""

from pathlib import Path

import httpx
import pytest

from api.access.scopes import ROLES, Scope
from api.access.users import User
from api.db import Database
from api.evaluations import service as evaluations
from api.http.permissions import need_of
from api.members import service as members
from api.models import DEFAULT_TENANT
from api.settings import Settings
from td3core.config import EvaluationSpec
from tests.support.access import add_project, bearing, new_key
from tests.support.operations import operations
from tests.support.problems import problem
from tests.support.submissions import submit
from tests.support.summaries import add_summary
from tests.support.webhooks import add_webhook, due_delivery

WITH_IDS = [
    operation
    for operation in operations()
    if "{" in operation.path
    and operation.method != "HEAD"
    and need_of(operation.method, operation.template) is not Scope.PLATFORM
]
NOWHERE = {
    "job_id": "job_0",
    "evaluation_id": "eval_0",
    "key_id": "key_0",
    "webhook_id": "hook_0",
    "delivery_id": "msg_0",
    "project_id": "proj_0",
    "user_id": "user_0",
}


@pytest.fixture
def ours(database: Database, settings: Settings, queued_job: str, tmp_path: Path) -> dict[str, str]:
    """Ids of a job with a summary, of an evaluation, of a key, of a webhook, of a delivery and of a member."""
    add_summary(database, settings, queued_job, tmp_path)
    with database.transaction() as session:
        evaluation = evaluations.submit(session, queued_job, EvaluationSpec(), tenant_id=DEFAULT_TENANT)
        ada = User("https://login.example.com", "ada", name=None)
        members.put(session, ada, "member", tenant_id=DEFAULT_TENANT)
        ids = {"job_id": queued_job, "evaluation_id": evaluation.id, "user_id": ada.id}
    webhook_id = add_webhook(database)
    return ids | {
        "project_id": DEFAULT_TENANT,
        "key_id": new_key(database).row.id,
        "webhook_id": webhook_id,
        "delivery_id": due_delivery(database, webhook_id),
    }


@pytest.fixture
def theirs(database: Database) -> dict[str, str]:
    """The header of an administrator of another project."""
    return bearing(new_key(database, ROLES["admin"], project=add_project(database)))


def test_another_projects_ids_are_answered_as_if_they_did_not_exist(
    api: httpx.Client, database: Database, ours: dict[str, str], theirs: dict[str, str]
) -> None:
    assert len(WITH_IDS) > 15
    for operation in WITH_IDS:
        foreign, missing = (operation.request(api, theirs, ids=ids) for ids in (ours, NOWHERE))
        assert foreign.status_code == missing.status_code == 404, operation
        told = [answer.json() | {"request_id": None, "instance": None} for answer in (foreign, missing)]
        for name, value in ours.items():
            told[0]["detail"] = told[0]["detail"].replace(value, NOWHERE[name])
        assert told[0] == told[1]
    own = bearing(new_key(database, ROLES["admin"]))
    assert api.get(f"/jobs/{ours['job_id']}", headers=own).json()["state"] == "succeeded"


def test_lists_have_what_is_ones_own(api: httpx.Client, ours: dict[str, str], theirs: dict[str, str]) -> None:
    for path in ("/jobs", "/webhooks"):
        assert api.get(path, headers=theirs).json() == {"items": [], "next_cursor": None}
    assert [key["name"] for key in api.get("/keys", headers=theirs).json()["items"]] == ["test"]
    problem(api.get("/keys?project=default", headers=theirs), 404, "project_not_found")
    problem(api.get("/keys?project=proj_0", headers=theirs), 404, "project_not_found")


def test_the_same_log_is_another_job_of_another_project(
    api: httpx.Client, database: Database, theirs: dict[str, str]
) -> None:
    """Neither an identical job nor an idempotency key tells of it."""
    own = bearing(new_key(database))
    api.headers.update(own)
    first = submit(api, key="k1").json()
    assert submit(api).json()["id"] == first["id"]
    api.headers.update(theirs)
    second = submit(api, key="k1")
    assert second.status_code == 202
    assert second.json()["id"] != first["id"]
    assert [item["id"] for item in api.get("/jobs").json()["items"]] == [second.json()["id"]]
    problem(api.get(f"/jobs/{first['id']}"), 404, "job_not_found")
