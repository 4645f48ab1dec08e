"""A webhook that is submitted with a job."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.access.scopes import Scope
from api.db import Database
from api.models import Job
from api.settings import Settings
from api.webhooks import service
from api.webhooks.signing import new_secret
from tests.support.access import bearing, new_key
from tests.support.claims import succeed
from tests.support.interaction_logs import LOG
from tests.support.jobs import count
from tests.support.live_api import running_api
from tests.support.problems import problem
from tests.support.submissions import nothing_left, submit
from tests.support.summaries import add_summary
from tests.support.webhooks import SECRET, deliveries

URL = "https://hooks.example.com/td3"
EVENTS = ["job.submitted", "job.succeeded", "evaluation.succeeded"]


def submit_with(
    api: httpx.Client, webhook: Any, *, headers: dict[str, str] | None = None, **more: Any
) -> httpx.Response:
    data = {"webhook": webhook if isinstance(webhook, str) else json.dumps(webhook), **more}
    return api.post("/v1/jobs", files={"dataset": ("log.csv", LOG)}, data=data, headers=headers)


def told(database: Database) -> list[tuple[str, str]]:
    return [(row.webhook_id, row.type) for row in deliveries(database)]


def test_it_is_told_of_its_job_alone(api: httpx.Client, database: Database) -> None:
    answer = submit_with(api, {"url": URL, "events": EVENTS})
    assert answer.status_code == 202, answer.text
    made = answer.json()["webhook"]
    assert made["job_id"] == answer.json()["id"]
    assert made["secret"].startswith("whsec_")
    other = submit(api, spec={"seed": 5}).json()
    assert other["webhook"] is None
    for job_id in (other["id"], answer.json()["id"]):
        succeed(database, job_id)
    assert told(database) == [(made["id"], "job.submitted"), (made["id"], "job.succeeded")]
    assert {row.run_id for row in deliveries(database)} == {answer.json()["id"]}
    assert api.get("/v1/webhooks").json()["items"] == []
    (listed,) = api.get("/v1/webhooks", params={"job_id": made["job_id"]}).json()["items"]
    assert listed == {name: value for name, value in made.items() if name != "secret"}


def test_one_for_a_job_that_exists_is_told_of_what_has_happened(
    api: httpx.Client, database: Database, settings: Settings, tmp_path: Path
) -> None:
    first = submit(api).json()
    succeed(database, first["id"])
    add_summary(database, settings, first["id"], tmp_path)
    answer = submit_with(api, {"url": URL, "events": EVENTS, "secret": SECRET})
    assert (answer.status_code, answer.json()["id"]) == (200, first["id"])
    assert (answer.json()["state"], answer.json()["webhook"]["secret"]) == ("succeeded", SECRET)
    assert [kind for _, kind in told(database)] == ["job.submitted", "job.succeeded"]


def test_a_job_that_is_submitted_often_keeps_one(
    api: httpx.Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST", 1)
    answers = [submit_with(api, {"url": URL, "events": EVENTS}) for _ in range(3)]
    made = [answer.json()["webhook"] for answer in answers]
    assert {answer.status_code for answer in answers} == {200, 202}, answers[-1].text
    assert {webhook["id"] for webhook in made} == {made[0]["id"]}
    assert len({webhook["secret"] for webhook in made}) == len(made)  # nobody is shown another one's
    assert told(database) == [(made[0]["id"], "job.submitted")]


def test_other_settings_are_another_webhook(api: httpx.Client) -> None:
    given = [
        {"url": URL, "events": EVENTS, "secret": SECRET},
        {"url": URL, "events": EVENTS[::-1], "secret": SECRET},  # the same as the first
        {"url": URL, "events": EVENTS[1:], "secret": SECRET},
        {"url": URL + "/2", "events": EVENTS, "secret": SECRET},
        {"url": URL, "events": EVENTS, "secret": new_secret()},
    ]
    made = [submit_with(api, webhook).json()["webhook"] for webhook in given]
    assert [webhook["secret"] for webhook in made] == [webhook["secret"] for webhook in given]
    assert len({webhook["id"] for webhook in made}) == len(given) - 1
    assert made[1]["id"] == made[0]["id"]
    api.patch(f"/v1/webhooks/{made[0]['id']}", json={"enabled": False}).raise_for_status()
    again = submit_with(api, given[0]).json()["webhook"]
    assert (again["enabled"], again["id"] == made[0]["id"]) == (True, False)


@pytest.mark.parametrize(
    ("webhook", "field"),
    [
        ({}, "webhook.url"),
        ({"url": "http://127.0.0.1/"}, "webhook.url"),
        ({"url": URL, "events": ["x"]}, "webhook.events.0"),
        ({"url": URL, "method": "GET"}, "webhook.method"),
        ("{", "webhook"),
        ("[]", "webhook"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_kept(
    api: httpx.Client, settings: Settings, database: Database, webhook: Any, field: str
) -> None:
    refused = problem(submit_with(api, webhook), 422, "invalid_request")
    assert [error["field"] for error in refused["errors"]] == [field]
    assert nothing_left(settings, database)


def test_the_same_key_is_the_same_webhook(api: httpx.Client, database: Database) -> None:
    key = {"Idempotency-Key": "k1"}
    first, again = (submit_with(api, {"url": URL}, headers=key).json() for _ in range(2))
    assert first == again
    problem(submit_with(api, {"url": URL + "/2"}, headers=key), 422, "idempotency_key_reused")
    assert count(database, Job) == 1


def test_it_needs_the_scope_of_webhooks_as_well(settings: Settings, database: Database) -> None:
    closed = settings.model_copy(update={"access_control": "keys"})
    with running_api(closed) as api:
        without = bearing(new_key(database, [Scope.JOBS_WRITE]))
        problem(submit_with(api, {"url": URL}, headers=without), 403, "missing_scope")
        both = bearing(new_key(database, [Scope.JOBS_WRITE, Scope.WEBHOOKS_WRITE]))
        assert submit_with(api, {"url": URL}, headers=both).status_code == 202
