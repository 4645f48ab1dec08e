"""The version of the API, as the first part of a path.

What clients use is served under `/v1`, and under its former path without it, which is the same thing. What may change
within a version is written down in `docs/compatibility.md`.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request

PREFIX = "/v1"


def include(app: FastAPI, router: APIRouter) -> None:
    """Serve the routes under the version, which is documented, and without it."""
    app.include_router(router, prefix=PREFIX, dependencies=[Depends(_named)])
    app.include_router(router, include_in_schema=False)


def _named(request: Request) -> None:
    request.state.base_path = PREFIX


def base_path(request: Request) -> str:
    """What links in an answer begin with: the version, if the request named it."""
    return getattr(request.state, "base_path", "")


Base = Annotated[str, Depends(base_path)]
