"""The version of the API, as the first part of a path.

What clients use is served under `/v1`, and under its former path without it, which is the same thing. What may change
within a version is written down in `docs/compatibility.md`.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request

PREFIX = "/v1"


def include(app: FastAPI, router: APIRouter) -> None:
    """Serve the routes under the version, which is documented, and without it."""
    app.include_router(router, prefix=PREFIX, dependencies=[Depends(_named)])
    app.include_router(router, include_in_schema=False)


def operations(request: Request, path: str) -> Mapping[str, Any]:
    """What the document of the API says of a path or of its template, by method; nothing if it is not of a version."""
    return request.app.openapi()["paths"].get(PREFIX + path.removeprefix(PREFIX), {})


def _named(request: Request) -> None:
    request.state.base_path = PREFIX


def base_path(request: Request) -> str:
    """What links in an answer begin with: the version, if the request named it."""
    return getattr(request.state, "base_path", "")


Base = Annotated[str, Depends(base_path)]
