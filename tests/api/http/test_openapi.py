"""The OpenAPI document describes what it lists."""

from typing import Any

import pytest

from api.app import LINKS, create_app
from api.http import openapi
from api.settings import Settings


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def test_every_operation_and_parameter_is_described(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], f"{method} {path}"
            assert operation["description"], f"{method} {path}"
            for parameter in operation.get("parameters", ()):
                if parameter["in"] != "path":  # the ids of resources, which their paths name
                    assert parameter["description"], f"{parameter['name']} of {method} {path}"


def test_every_operation_that_the_index_links_is_listed(document: dict[str, Any]) -> None:
    """All but pages for people, and the document itself."""
    others = {LINKS[name] for name in ("guide", "documentation", "openapi")}
    assert set(LINKS.values()) - others <= set(document["paths"])


def test_every_field_is_described(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        for field, described in schema.get("properties", {}).items():
            assert "$ref" in described or described.get("description"), f"{name}.{field} has no description"


def test_bodies_are_taken_as_they_are_described() -> None:
    """A truth value is no number, and a number is no time."""
    for model in openapi.BODIES:
        assert model.model_config.get("strict"), model.__name__
        assert model.model_config.get("extra") == "forbid", model.__name__


def test_no_parameter_is_said_to_be_null(document: dict[str, Any]) -> None:
    """They are texts, and `null` would be one of four letters."""
    parameters = [
        parameter
        for operations in document["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
    ]
    assert "Last-Event-ID" in {parameter["name"] for parameter in parameters}
    for parameter in parameters:
        assert "null" not in str(parameter["schema"]), parameter["name"]
        assert parameter["schema"].keys() & {"type", "$ref"}, parameter["name"]
