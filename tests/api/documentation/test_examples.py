"""Every example of a request in the OpenAPI document can be sent as it is."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.settings import Settings

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


def examples(document: dict[str, Any]) -> Iterator[tuple[str, str, str, Any]]:
    """Path, name, media type and value of every example of a request body."""
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
                for name, example in body["examples"].items():
                    yield path, name, media_type, example["value"]


def test_bodies_are_accepted(api: httpx.Client, settings: Settings, finished_job: str) -> None:
    sent = []
    for path, name, media_type, value in examples(create_app(settings).openapi()):
        path = path.format(job_id=finished_job)
        if media_type == "multipart/form-data":
            parts = {key: part if isinstance(part, str) else json.dumps(part) for key, part in value.items()}
            response = api.post(path, files={key: (None, part) for key, part in parts.items()})
        else:
            response = api.post(path, json=value)
        assert response.status_code == 202, (path, name, response.text)
        sent.append((path, name))
    assert len(sent) >= 4


def test_values_of_parameters_are_accepted(api: httpx.Client, settings: Settings, finished_job: str) -> None:
    tried = set()
    for path, operations in create_app(settings).openapi()["paths"].items():
        if "get" not in operations or "{evaluation_id}" in path:
            continue
        for parameter in operations["get"].get("parameters", ()):
            for value in parameter["schema"].get("examples", ()):
                response = api.get(path.format(job_id=finished_job), params={parameter["name"]: value})
                assert response.status_code == 200, (path, parameter["name"], response.text)
                tried.add((path, parameter["name"]))
    assert ("/v1/jobs", "state") in tried
