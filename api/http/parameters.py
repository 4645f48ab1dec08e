"""The names of parameters in the query of a request."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from fastapi import Request

from api.errors import InvalidRequestError
from api.http.problems import field_errors, summarise
from api.http.version import operations
from td3core.config.faults import Fault


async def check_parameters(request: Request) -> None:
    """Refuse a parameter that the operation does not have, or has once: it would be passed over in silence.

    Raises:
        InvalidRequestError: Names each of them.
    """
    method = "get" if request.method == "HEAD" else request.method.lower()
    described = operations(request, request.scope["route"].path).get(method)
    if described is None or not request.query_params:
        return
    known = _parameters(described)
    told = f"one of {', '.join(known)}" if known else "no parameters"
    found = [
        Fault((name,), value, expected=told if name not in known else "one value (the parameter is repeated)")
        for name, value in request.query_params.items()
        if name not in known or (_count(request, name) > 1 and not _is_list(known[name]))
    ]
    if found:
        raise InvalidRequestError(f"The request is invalid: {summarise(found)}", errors=field_errors(found))


def _count(request: Request, name: str) -> int:
    return Counter(key for key, _ in request.query_params.multi_items())[name]


def _parameters(described: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The parameters of the operation and their schemas, as the document of the API has them."""
    return {one["name"]: one["schema"] for one in described.get("parameters", ()) if one["in"] == "query"}


def _is_list(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "array" or any(map(_is_list, schema.get("anyOf", ())))
