"""Every example of a request in the OpenAPI document can be sent as it is."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.db import Database
from api.members.schemas import MEMBER_EXAMPLE
from api.models import DEFAULT_TENANT, Job
from api.settings import Settings
from tests.support.access import new_key
from tests.support.runs import add_evaluation
from tests.support.webhooks import add_webhook

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With the issuer of the examples."""
    trust = {"issuer": MEMBER_EXAMPLE["issuer"], "audience": "td3"}
    return settings.model_copy(update={"oidc_issuers": json.dumps([trust])})


def ids_of(database: Database, finished_job: str) -> dict[str, str]:
    """What the paths of operations with examples name."""
    with database.transaction() as session:
        evaluation_id = add_evaluation(session, session.get_one(Job, finished_job)).id
    return {
        "job_id": finished_job,
        "evaluation_id": evaluation_id,
        "webhook_id": add_webhook(database),
        "key_id": new_key(database).row.id,
        "project_id": DEFAULT_TENANT,
    }


def examples(document: dict[str, Any]) -> Iterator[tuple[str, str, str, str, Any]]:
    """Method, path, name, media type and value of every example of a request body."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
                if "example" in body:
                    yield method, path, "", media_type, body["example"]
                for name, example in body.get("examples", {}).items():
                    yield method, path, name, media_type, example["value"]


def test_bodies_are_accepted(
    api: httpx.Client, settings: Settings, database: Database, finished_job: str
) -> None:
    sent = []
    ids = ids_of(database, finished_job)
    for method, path, name, media_type, value in examples(create_app(settings).openapi()):
        path = path.format(**ids)
        if media_type == "multipart/form-data":
            parts = {key: part if isinstance(part, str) else json.dumps(part) for key, part in value.items()}
            response = api.post(path, files={key: (None, part) for key, part in parts.items()})
        else:
            response = api.request(method, path, json=value)
        assert response.is_success, (path, name, response.text)
        sent.append((path, name))
    assert len(sent) >= 10


def test_values_of_parameters_are_accepted(
    api: httpx.Client, settings: Settings, database: Database, finished_job: str
) -> None:
    tried = set()
    ids = ids_of(database, finished_job)
    for path, operations in create_app(settings).openapi()["paths"].items():
        if "get" not in operations or "{evaluation_id}" in path:
            continue
        for parameter in operations["get"].get("parameters", ()):
            for value in parameter["schema"].get("examples", ()):
                response = api.get(path.format(**ids), params={parameter["name"]: value})
                assert response.status_code == 200, (path, parameter["name"], response.text)
                tried.add((path, parameter["name"]))
    assert ("/v1/jobs", "state") in tried
