"""The page on the HTTP API: every operation of the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from api.app import create_app
from api.settings import Settings
from guide.reference.markdown import code, table
from guide.reference.schema import describe_bounds, describe_type, schema_tables

OPERATION_METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


def operations_page() -> str:
    """Operations with parameters, bodies and responses, then the shapes of the bodies."""
    document = create_app(Settings()).openapi()
    schemas = document["components"]["schemas"]
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in OPERATION_METHODS
    ]
    overview = table(
        ("operation", "summary"),
        (
            (f"[`{method} {path}`](#{_anchor(method, path)})", operation["summary"])
            for method, path, operation in operations
        ),
    )
    details = "\n".join(
        _operation(method, path, operation, schemas) for method, path, operation in operations
    )
    return f"""# API

The API describes itself at `/openapi.json`, and a running service has the same at `/docs`, where requests can be sent.
Every error is a [problem](problems.md). What may change within version 1 is written in
[Compatibility](../compatibility.md).

{overview}
{details}
## Bodies

{_bodies(document, schemas)}"""


def _operation(method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    parameters = [
        (
            code(parameter["name"]),
            parameter["in"],
            describe_type(parameter["schema"], schemas),
            "required"
            if parameter.get("required")
            else code(parameter["schema"].get("default", "")).strip("`"),
            describe_bounds(parameter["schema"], schemas),
            parameter.get("description", ""),
        )
        for parameter in operation.get("parameters", ())
    ]
    responses = [
        (
            status,
            response["description"],
            ", ".join(_shape(content) for content in response.get("content", {}).items()),
        )
        for status, response in sorted(operation["responses"].items())
    ]
    body = operation.get("requestBody", {}).get("content", {})
    parts = [
        f"## `{method} {path}` {{ #{_anchor(method, path)} }}\n",
        f"{operation['summary']}. {operation.get('description', '')}\n",
    ]
    if parameters:
        parts.append(table(("parameter", "in", "type", "default", "bounds", "description"), parameters))
    if body:
        parts.append("Body: " + ", ".join(_shape(content) for content in body.items()) + "\n")
    parts.append(table(("response", "meaning", "body"), responses))
    return "\n".join(parts)


def _shape(content: tuple[str, Any]) -> str:
    """A media type, with the name of the shape if it has one."""
    media_type, described = content
    name = described.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return f"`{media_type}`" + (f" ([{name}](#{name.lower()}))" if name else "")


def _bodies(document: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """Tables of the shapes that operations answer with or take, specs and problems left to their own pages."""
    elsewhere = {"JobSpec": "spec.md#job", "EvaluationSpec": "spec.md#evaluation", "Problem": "problems.md"}
    parts = []
    for name in sorted(_named(document["paths"])):
        if name in elsewhere:
            parts.append(f"### {name}\n\nIts fields are listed [here]({elsewhere[name]}).\n")
        else:
            description = schemas[name].get("description", "")
            parts.append(
                f"### {name}\n\n{description}\n\n{schema_tables(schemas[name], schemas, level=4, skip=elsewhere)}"
            )
    return "\n".join(parts)


def _named(part: Any) -> set[str]:
    """The shapes that operations refer to directly."""
    if isinstance(part, Mapping):
        found = {part["$ref"].rpartition("/")[2]} if isinstance(part.get("$ref"), str) else set[str]()
        return found.union(*(_named(value) for value in part.values()))
    if isinstance(part, list):
        return set[str]().union(*(_named(value) for value in part))
    return set()


def _anchor(method: str, path: str) -> str:
    return (
        f"{method} {path}".lower()
        .replace("/", "-")
        .replace(" ", "")
        .replace("{", "")
        .replace("}", "")
        .strip("-")
    )
