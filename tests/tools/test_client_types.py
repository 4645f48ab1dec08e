"""The client's types are those of the API."""

from typing import Any

import pytest

from api.app import create_app
from api.settings import Settings
from tools.client_types import TARGET, client_types


def module_of(types: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(compile(types, "resources", "exec"), found)
    return found


def document(**schemas: Any) -> dict[str, Any]:
    """An API of one operation, which answers with a job."""
    run = {"properties": {"id": {"type": "string"}}, "required": ["id"], "description": "A run."}
    answer = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/JobOut"}}}}
    return {
        "paths": {"/v1/jobs": {"get": {"responses": {"200": answer}}}},
        "components": {"schemas": {"JobOut": run, "EvaluationOut": run, "EventOut": run, **schemas}},
    }


def test_the_committed_types_are_those_of_the_api() -> None:
    assert TARGET.read_text() == client_types(create_app(Settings()).openapi()), "run `make client-types`"


def test_a_field_of_an_answer_is_a_field_of_the_client() -> None:
    properties = {
        "id": {"type": "string", "description": "Its id."},
        "page": {"type": "array", "items": {"$ref": "#/components/schemas/Page_PartOut_"}},
        "rows": {"type": "object", "additionalProperties": {"anyOf": [{"type": "number"}, {"type": "null"}]}},
        "free": {"type": "object", "additionalProperties": True},
        "kind": {"enum": ["a", "b"]},
    }
    part = {"properties": {"done": {"type": "boolean"}}, "title": "Page[Part]"}
    job = {"properties": properties, "required": ["id", "page"], "description": "A job."}
    types = client_types(document(JobOut=job, Page_PartOut_=part, Unused=part))
    made = module_of(types)
    assert made["Job"].__annotations__.keys() == properties.keys()
    lines = [line.strip() for line in types.splitlines()]
    assert "page: list[PartPage]" in lines
    assert "rows: NotRequired[dict[str, float | None]]" in lines
    assert "free: NotRequired[dict[str, Any]]" in lines
    assert 'kind: NotRequired[Literal["a", "b"]]' in lines
    assert '"""Its id."""' in lines
    assert "Unused" not in made
    assert made["Run"].__annotations__.keys() == set()


def test_what_runs_have_in_common_is_a_type() -> None:
    types = client_types(document())
    assert module_of(types)["Run"].__annotations__.keys() == {"id"}
    assert "class Job(Run):" in types
    assert types.count("id: str") == 1


def test_a_schema_that_is_not_known_is_named() -> None:
    odd = {"properties": {"x": {"not": {}}}, "description": "Odd."}
    with pytest.raises(ValueError, match="not"):
        client_types(document(JobOut=odd))
