"""Write the client's types from the OpenAPI document of the API: `python -m tools.client_types`.

The client imports none of the service's packages, so the shapes of answers are written into a file of its own. A test
fails where the file is not what this makes.
"""

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from api.app import create_app
from api.settings import Settings

TARGET = Path(__file__).parents[1] / "td3client" / "resources.py"
_REF = "#/components/schemas/"
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_HEAD = '''"""Shapes of what the service answers; fields that a later version adds are there too, just not typed.

Written by `make client-types` from the service's OpenAPI document.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict
'''


def client_types(document: Mapping[str, Any]) -> str:
    """Return the module: a type for each schema of an answer; those of runs extend `Run`, what these have in common."""
    schemas: dict[str, Any] = document["components"]["schemas"]
    names = sorted({*_answered(document), "EventOut"}, key=_name)
    enums = [name for name in names if "enum" in schemas[name]]
    parts = [f"{_name(name)} = {_type(schemas[name])}" for name in enums]
    runs = [schemas[name]["properties"] for name in ("JobOut", "EvaluationOut")]
    shared = {field: schema for field, schema in runs[0].items() if runs[1].get(field) == schema}
    parts.append(_typed_dict("Run", "What a job and an evaluation have in common.", shared, list(shared)))
    extended: dict[str, Mapping[str, Any]] = {"Run": shared}
    for name in names:
        if name not in enums:
            schema = schemas[name]
            fields: Mapping[str, Any] = schema["properties"]
            base = max(
                (known for known in extended if _holds(fields, extended[known])),
                key=lambda known: len(extended[known]),
                default="TypedDict",
            )
            if base != "TypedDict":
                extended[_name(name)] = fields
            own = {field: kind for field, kind in fields.items() if field not in extended.get(base, {})}
            described = schema.get("description") or "A page of a list, newest first."
            parts.append(_typed_dict(_name(name), described, own, schema.get("required", []), base=base))
    return _formatted("\n".join((_HEAD, *(f"{part}\n" for part in parts))))


def _answered(document: Mapping[str, Any]) -> set[str]:
    """Name the schemas of good answers, and those that they are made of."""
    found: set[str] = set()
    waiting = [
        name
        for path, operations in document["paths"].items()
        if path.startswith("/v1/")
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        if status.startswith("2")
        for name in _referred(answer.get("content", {}).get("application/json", {}).get("schema", {}))
    ]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _referred(document["components"]["schemas"][name])
    return found


def _referred(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(ref := schema.get("$ref"), str):
            yield ref.removeprefix(_REF)
        for part in schema.values():
            yield from _referred(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _referred(part)


def _name(schema: str) -> str:
    """`JobOut` is a client's `Job`, and `Page_JobOut_` its `JobPage`."""
    page = re.fullmatch(r"Page_(\w+)_", schema)
    return f"{_name(page[1])}Page" if page else schema.removesuffix("Out")


def _holds(fields: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Whether the others are among the fields, with the same schemas."""
    return bool(others) and all(fields.get(name) == schema for name, schema in others.items())


def _typed_dict(
    name: str, described: str, fields: Mapping[str, Any], required: list[str], *, base: str = "TypedDict"
) -> str:
    lines = [f"class {name}({base}):", *_docstring(described), ""]
    for field, schema in fields.items():
        kind = _type(schema)
        lines.append(f"    {field}: {kind if field in required else f'NotRequired[{kind}]'}")
        if "description" in schema:
            lines += _docstring(schema["description"])
    return "\n".join(lines)


def _docstring(text: str) -> list[str]:
    """Wrap each paragraph; the quotes take six characters, the indent four."""
    paragraphs = [textwrap.wrap(" ".join(part.split()), width=100) for part in text.split("\n\n")]
    lines = [line for part in paragraphs for line in (*part, "")][:-1]
    indented = [f"    {line}".rstrip() for line in lines]
    indented[0] = f'    """{lines[0]}'
    if len(lines) == 1:
        return [f'{indented[0]}"""']
    return [*indented, '    """']


def _type(schema: Mapping[str, Any]) -> str:
    """Write a schema as an annotation.

    Raises:
        ValueError: it is none that this knows.
    """
    match schema:
        case {"$ref": str(ref)}:
            return _name(ref.removeprefix(_REF))
        case {"enum": list(values)}:
            return f"Literal[{', '.join(map(repr, values))}]"
        case {"const": value}:
            return f"Literal[{value!r}]"
        case {"anyOf": list(kinds)}:
            return " | ".join(_type(kind) for kind in kinds)
        case {"type": "array", "items": items}:
            return f"list[{_type(items)}]"
        case {"type": "object", "additionalProperties": dict(values)}:
            return f"dict[str, {_type(values)}]"
        case {"type": "object"}:
            return "dict[str, Any]"
        case {"type": str(plain)} if plain in _PLAIN:
            return _PLAIN[plain]
        case _:
            raise ValueError(f"no annotation is known for the schema {schema}")


def _formatted(module: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(TARGET), "-"]
    return subprocess.run(command, input=module, capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Write the file."""
    TARGET.write_text(client_types(create_app(Settings()).openapi()))


if __name__ == "__main__":
    main()
