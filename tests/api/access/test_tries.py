"""One project tries many requests with what is another's: they tell nothing, not even that it exists.

Each request is sent twice, with values of the other project and with values of the same form that nobody has. Both
answers have to be the same, and neither may have anything of the other project but what was sent.
"""

import base64
import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import select

from api.access.scopes import ROLES
from api.access.users import User
from api.app import create_app
from api.db import Database
from api.evaluations import service as evaluations
from api.http.version import PREFIX
from api.members import service as members
from api.models import (
    ApiKey,
    AuditEntry,
    Base,
    Dataset,
    Delivery,
    Evaluation,
    IdempotencyKey,
    Job,
    Member,
    SummaryArchive,
    Webhook,
)
from api.settings import Settings
from api.webhooks import service as webhooks
from td3core.config import EvaluationSpec
from tests.support.access import add_project, bearing, new_key
from tests.support.claims import claim
from tests.support.operations import Operation, operations
from tests.support.submissions import submit
from tests.support.summaries import add_summary
from tests.support.undisturbed import SEED
from tests.support.webhooks import add_webhook

OWNED: tuple[type[Base], ...] = (
    Job,
    Evaluation,
    Dataset,
    SummaryArchive,
    ApiKey,
    Webhook,
    Delivery,
    Member,
    AuditEntry,
    IdempotencyKey,
)
TELLING = ("id", "job_id", "user_id", "storage_key", "name", "url", "secret", "subject", "key")
"""Columns whose values nobody else may see."""
FORMS = {"/jobs", "/jobs/validate"}
"""Operations whose body is a form; submissions are tried apart."""
OPERATIONS = [
    operation for operation in operations() if operation.template not in FORMS or operation.method == "GET"
]
BODIES: dict[str, Any] = {
    "/keys": {"name": "mine", "role": "viewer"},
    "/webhooks": {"url": "https://hooks.example.com/mine", "events": ["job.succeeded"]},
    "/webhooks/{webhook_id}/replay": {"since": "2026-01-15T00:00:00Z"},
    "/projects/{project_id}/members": {
        "subject": "eve",
        "role": "admin",
        "issuer": "https://login.example.com",
    },
}
DESCRIBED = create_app(Settings()).openapi()["paths"]
PATH = re.compile(r"{(\w+)}")
QUERY = {
    "cursor": "cursor",
    "project": "project_id",
    "target": "job_id",
    "key_id": "key_id",
    "user_id": "user_id",
}
HEADERS = {"TD3-Project": "project_id", "Idempotency-Key": "idempotency", "Last-Event-ID": "job_id"}
CHANGES: tuple[Callable[[str], str], ...] = (
    *(8 * [str]),
    str.upper,
    lambda value: value[:-1],
    lambda value: f"../{value}",
    lambda value: f"{value}/",
    lambda value: f"{value}\x00",
    lambda value: f"{value}' or '1'='1",
    lambda value: f"{value}%",
)
SUBMISSIONS = 3


@dataclass(frozen=True, slots=True)
class Try:
    """A request, with the names of the values that it takes and what is done with each."""

    operation: Operation
    path: Mapping[str, tuple[str, Callable[[str], str]]]
    query: Mapping[str, tuple[str, Callable[[str], str]]]
    headers: Mapping[str, str]

    def send(self, api: httpx.Client, values: Mapping[str, str], own: Mapping[str, str]) -> httpx.Response:
        """Send it with these values."""
        ids = {
            name: quote(own[name] if taken == "own" else change(values[taken]), safe="")
            for name, (taken, change) in self.path.items()
        }
        return api.request(
            self.operation.method,
            self.operation.path.format_map(ids),
            params={name: change(values[taken]) for name, (taken, change) in self.query.items()},
            headers={"Accept": self.operation.accept}
            | {name: values[taken] for name, taken in self.headers.items()},
            json=BODIES.get(self.operation.template) if self.operation.method in ("POST", "PATCH") else None,
        )

    def told(self, response: httpx.Response, values: Mapping[str, str]) -> Any:
        """The problem, without what was sent and what is another one each time."""
        body = response.json()
        for name in ("request_id", "instance"):
            body.pop(name, None)
        text = json.dumps(body)
        taken = {name for name, _ in (*self.path.values(), *self.query.values())} | set(self.headers.values())
        for name in sorted(taken & values.keys(), key=lambda name: -len(values[name])):
            for form in (form for change in CHANGES for form in (change(values[name]), values[name])):
                for shown in (form, repr(form)):
                    text = text.replace(json.dumps(shown)[1:-1], f"<{name}>")
        return text


def drawn(rng: random.Random, values: Mapping[str, str]) -> Try:
    """A request that takes at least one value."""
    while True:
        operation = rng.choice(OPERATIONS)
        names = PATH.findall(operation.template)
        path = {
            name: (name if rng.random() < 0.7 else rng.choice([*values]), rng.choice(CHANGES))
            for name in names
        }
        if names[1:] and names[0] == "webhook_id" and rng.random() < 0.3:
            path["webhook_id"] = ("own", str)
        query = {
            name: (taken, rng.choice(CHANGES))
            for name, taken in QUERY.items()
            if name in parameters(operation) and rng.random() < 0.5
        }
        headers = {
            name: taken
            for name, taken in HEADERS.items()
            if rng.random() < (0.5 if name == "Idempotency-Key" and operation.method == "POST" else 0.1)
        }
        if path or query or headers:
            return Try(operation, path, query, headers)


def parameters(operation: Operation) -> set[str]:
    """Names of the parameters of its query; others are refused whatever they say."""
    described = DESCRIBED.get(PREFIX + operation.template) or DESCRIBED.get(operation.template) or {}
    method = "get" if operation.method == "HEAD" else operation.method.lower()
    return {one["name"] for one in described.get(method, {}).get("parameters", ()) if one["in"] == "query"}


def rows(database: Database, tenant_id: str) -> dict[str, list[dict[str, Any]]]:
    """All that belongs to the project, but when its keys were used."""
    found: dict[str, list[dict[str, Any]]] = {}
    with database.reading() as session:
        for model in OWNED:
            table = model.__table__
            query = select(table).where(table.c.tenant_id == tenant_id)
            kept = [
                {name: value for name, value in row.items() if name != "last_used_at"}
                for row in session.execute(query).mappings()
            ]
            found[model.__tablename__] = sorted(kept, key=str)
    return found


def telling(found: Mapping[str, list[dict[str, Any]]]) -> set[str]:
    """Values of the project that nobody else may see."""
    values = (row.get(column) for each in found.values() for row in each for column in TELLING)
    return {str(value) for value in values if value is not None and len(str(value)) > 8}


@pytest.fixture
def ours(api: httpx.Client, database: Database, settings: Settings, tmp_path: Path) -> Mapping[str, str]:
    """A project that has everything, and values of it."""
    project = add_project(database)
    key = new_key(database, ROLES["admin"], project=project)
    jobs = [
        submit(authorized(api, key), spec={"seed": number}, key=f"nightly-{number}").json()["id"]
        for number in range(SUBMISSIONS)
    ]
    add_summary(database, settings, jobs[0], tmp_path)
    assert claim(database, jobs[1], worker="worker_of_everybody")
    with database.transaction() as session:
        evaluation = evaluations.submit(session, jobs[0], EvaluationSpec(), tenant_id=project).id
        ada = User("https://login.example.com", "confidential-subject", name=None)
        members.put(session, ada, "member", tenant_id=project)
    webhook = add_webhook(database, "http://127.0.0.1:9/confidential", tenant_id=project)
    with database.transaction() as session:
        delivery = webhooks.test(session, webhook, tenant_id=project).id
        session.get_one(SummaryArchive, jobs[0]).tenant_id = project
        dataset = session.get_one(Job, jobs[0]).dataset
        audited = session.scalars(select(AuditEntry.id).where(AuditEntry.tenant_id == project)).first()
    return {
        "job_id": jobs[0],
        "evaluation_id": evaluation,
        "key_id": key.row.id,
        "webhook_id": webhook,
        "delivery_id": delivery,
        "user_id": ada.id,
        "project_id": project,
        "dataset_id": dataset.id,
        "storage_key": dataset.storage_key,
        "cursor": cursor(jobs[1]),
        "idempotency": "nightly-1",
        "audit_id": audited or "",
    }


def authorized(api: httpx.Client, key: Any) -> httpx.Client:
    api.headers.update(bearing(key))
    return api


def cursor(row_id: str) -> str:
    return base64.urlsafe_b64encode(row_id.encode()).decode().rstrip("=")


def nobodys(ours: Mapping[str, str], rng: random.Random) -> dict[str, str]:
    """Values of the same form that nobody has."""

    def another(value: str) -> str:
        return re.sub(r"[0-9a-f]{32,}", lambda found: rng.randbytes(len(found[0]) // 2).hex(), value)

    changed = {name: another(value) for name, value in ours.items()}
    return changed | {
        "cursor": cursor(another(base64.urlsafe_b64decode(ours["cursor"] + "==").decode())),
        "idempotency": "weekly-1",
    }


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(300, id="some"),
        pytest.param(10_000, id="10000", marks=[pytest.mark.chaos, pytest.mark.timeout(7200)]),
    ],
)
def test_no_request_tells_anything_of_another_project(
    number: int, api: httpx.Client, database: Database, ours: Mapping[str, str]
) -> None:
    rng = random.Random(SEED)
    project = ours["project_id"]
    before = rows(database, project)
    secrets = telling(before) | {project}
    assert len(secrets) > 20
    authorized(api, new_key(database, ROLES["admin"], project=add_project(database)))
    mine = [submitted(api, seed, secrets) for seed in range(SUBMISSIONS)]
    own = {"webhook_id": api.post("/v1/webhooks", json=BODIES["/webhooks"]).json()["id"]}
    nobody = nobodys(ours, rng)
    assert all(nobody[name] != value for name, value in ours.items())
    refused = 0
    for _ in range(number):
        tried = drawn(rng, ours)
        theirs, missing = (tried.send(api, values, own) for values in (ours, nobody))
        assert theirs.status_code == missing.status_code, (tried, theirs.text, missing.text)
        assert theirs.status_code < 500, (tried, theirs.text)
        sent = str(
            [
                change(ours[taken])
                for taken, change in (*tried.path.values(), *tried.query.values())
                if taken != "own"
            ]
        )
        sent += str([ours[taken] for taken in tried.headers.values()])
        for answer in (theirs, missing):
            seen = answer.text + str(answer.headers)
            assert not [secret for secret in secrets if secret in seen and secret not in sent], (tried, seen)
            if answer.status_code == 201 and "location" in answer.headers:
                api.delete(answer.headers["location"])
        if theirs.status_code >= 400 and tried.operation.method != "HEAD":
            refused += 1
            assert tried.told(theirs, ours) == tried.told(missing, nobody), tried
    assert refused > number // 3
    assert [submitted(api, seed, secrets) for seed in range(SUBMISSIONS)] == mine
    exported = api.get("/v1/audit/export").text
    assert not [secret for secret in secrets if secret in exported]
    assert rows(database, project) == before


def submitted(api: httpx.Client, seed: int, secrets: set[str]) -> str:
    """Id of a job with the log, the spec and the key of another project's job."""
    answer = submit(api, spec={"seed": seed}, key=f"nightly-{seed}")
    assert answer.status_code == 202
    job_id = answer.json()["id"]
    assert job_id not in secrets
    return job_id
