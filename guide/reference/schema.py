"""Describes pydantic models by their JSON schema: one table a model, one row a field."""

import json
from collections.abc import Container, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from guide.reference.markdown import code, table

Schema = Mapping[str, Any]

_BOUNDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "pattern": "matches {}",
}
_POWERS = {2**exponent: f"2^{exponent}" for exponent in range(20, 65)}


def model_tables(model: type[BaseModel], *, skip: Container[str] = ()) -> str:
    """Tables of all fields of `model` and of the models within it, each under the path that leads to it.

    Args:
        model: A model whose JSON schema says everything that a reader must know.
        skip: Names of models within the model that have no table.
    """
    schema = model.model_json_schema(
        mode="serialization" if not model.model_config.get("strict") else "validation"
    )
    return schema_tables(schema, schema.get("$defs", {}), level=3, skip=skip)


def schema_tables(schema: Schema, definitions: Schema, *, level: int, skip: Container[str] = ()) -> str:
    """The same for a JSON schema whose references are found in `definitions`; models named in `skip` are left out."""
    parts = []
    for path, model in _models(schema, definitions, skip):
        if path:
            parts.append(f"{'#' * level} `{path}`\n\n{model.get('description', '')}\n")
        parts.append(_fields(model, definitions, path, skip))
    return "\n".join(parts)


def describe_type(schema: Schema, definitions: Schema) -> str:
    """The type of a field in words, such as "integer or null"."""
    if "$ref" in schema:
        return describe_type(_resolved(schema, definitions), definitions)
    if "anyOf" in schema:
        kinds = [describe_type(option, definitions) for option in schema["anyOf"]]
        return " or ".join(dict.fromkeys(kinds))
    if "const" in schema:
        return code(json.dumps(schema["const"]))
    if "enum" in schema:
        return "one of " + ", ".join(code(json.dumps(value)) for value in schema["enum"])
    if schema.get("type") == "array":
        inner = schema.get("items", {})
        return f"list of {describe_type(inner, definitions)}" if inner else "list"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {describe_type(schema['additionalProperties'], definitions)}"
    return str(schema.get("type", "any value"))


def describe_bounds(schema: Schema, definitions: Schema, *, without: Container[str] = ()) -> str:
    """What a value must fulfil beyond its type, but for the keywords in `without`; empty if that is nothing."""
    schema = _resolved(schema, definitions)
    bounds = [
        text.format(_number(schema[key]))
        for key, text in _BOUNDS.items()
        if key in schema and key not in without
    ]
    for option in schema.get("anyOf", ()):
        bounds.append(describe_bounds(option, definitions, without=without))
    if isinstance(schema.get("items"), dict) and (inner := describe_bounds(schema["items"], definitions)):
        bounds.append(f"each {inner}")
    return ", ".join(bound for bound in bounds if bound)


def _fields(model: Schema, definitions: Schema, path: str, skip: Container[str]) -> str:
    required = set(model.get("required", ()))
    rows = []
    for name, field in model.get("properties", {}).items():
        resolved = _resolved(field, definitions)
        listed = _is_model(resolved) and resolved.get("title", "") not in skip
        link = f" ([fields](#{_anchor(path, name)}))" if listed else ""
        rows.append(
            (
                code(f"{path}.{name}" if path else name),
                describe_type(field, definitions) + link,
                _default(field, name in required, nested=_is_model(resolved)),
                describe_bounds(field, definitions),
                field.get("description")
                or ("" if not _is_model(resolved) else resolved.get("description", "")),
            )
        )
    return table(("field", "type", "default", "bounds", "description"), rows)


def _models(
    schema: Schema, definitions: Schema, skip: Container[str], *, path: str = ""
) -> Iterator[tuple[str, Schema]]:
    """The model itself, then those of its fields, and so on, each with its path."""
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        resolved = _resolved(field, definitions)
        if _is_model(resolved) and resolved.get("title", "") not in skip:
            yield from _models(resolved, definitions, skip, path=f"{path}.{name}" if path else name)


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    """What a reference stands for, also where the field may be null instead."""
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    if len(options) == 1 and "$ref" in options[0]:
        return _resolved(options[0], definitions)
    if "$ref" in schema:
        return definitions[schema["$ref"].rpartition("/")[2]]
    return schema


def _is_model(schema: Schema) -> bool:
    return bool(schema.get("properties"))


def _default(field: Schema, required: bool, *, nested: bool) -> str:
    if required:
        return "required"
    if "default" not in field:
        return "" if nested else "see description"
    if nested and field["default"] is not None:
        return "its fields' defaults"
    return code(json.dumps(field["default"]))


def _number(value: Any) -> str:
    """A bound, with large powers of two written as such."""
    if isinstance(value, str):
        return code(value)
    return _POWERS.get(value, f"{value:g}" if isinstance(value, float) else f"{value:,}")


def _anchor(path: str, name: str) -> str:
    """The anchor of the heading of a nested model."""
    return f"{path}.{name}".lstrip(".").replace(".", "").lower()
