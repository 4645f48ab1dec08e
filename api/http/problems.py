"""RFC 9457 problem documents: the format of every error response."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from itertools import islice
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from api.db import ran_full
from api.errors import (
    BadRequestError,
    ClientDisconnectedError,
    DatabaseError,
    InvalidRequestError,
    ServiceError,
    StorageFullError,
    log_faults,
)
from api.http.headers import complete
from api.http.request_log import HEADER
from api.http.version import operations
from td3core.config.faults import ABSENT, Fault, faults
from td3core.errors import InvalidLogError

MEDIA_TYPE = "application/problem+json"
LONGEST_VALUE = 200
LONGEST_TEXT = 2000
MOST_ERRORS = 100
UNPROCESSABLE = 422
RETRY_AFTER = "5"
RETRIED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
"""Statuses after which the same request may succeed."""
FRAMEWORK_STATUSES = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
"""Statuses of the errors that the framework raises by itself; their codes follow from the status."""

log = structlog.get_logger(__name__)
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


class Problem(BaseModel):
    """An error response (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Identifier of the kind of problem: `urn:td3:problem:` followed by `code`.")
    title: str = Field(description="Kind of problem, for people; the same for every occurrence.")
    status: int = Field(description="HTTP status code of the response.")
    detail: str = Field(description="What went wrong in this request.")
    instance: str = Field(description="Path of the request.")
    code: str = Field(description="Kind of problem, for programs.")
    request_id: str | None = Field(
        default=None, description="Id of the request, as in the logs of the service."
    )
    errors: list[dict[str, Any]] | None = Field(
        default=None,
        description="One entry per problem. In a log: `line` and `column`, or the `field` of the spec that matters "
        "(`dataset`: the log as a whole), `value` and `reason`. In a spec or a request: `field`, `got`, and `expected` "
        "or `reason`.",
    )


def problem_response(
    request: Request,
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    errors: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
    **extensions: Any,
) -> JSONResponse:
    """Build the response that carries a problem document."""
    headers = dict(headers or {})
    if status in RETRIED:
        headers.setdefault("Retry-After", RETRY_AFTER)
    problem = Problem(
        type=f"urn:td3:problem:{code}",
        title=title,
        status=status,
        detail=_cut(detail, LONGEST_TEXT),
        instance=_cut(request.url.path, LONGEST_TEXT),
        code=code,
        request_id=request.scope.get("state", {}).get("request_id"),
        errors=[{name: _told(value) for name, value in error.items()} for error in errors] or None,
        **extensions,
    )
    return JSONResponse(
        problem.model_dump(exclude_none=True), int(status), headers=headers, media_type=MEDIA_TYPE
    )


def install(app: FastAPI) -> None:
    """Make `app` answer every error with a problem document."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(InvalidLogError, _invalid_log)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(DataError, _unstorable)
    app.add_exception_handler(OperationalError, _database_error)
    app.add_exception_handler(PoolTimeoutError, _database_error)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unexpected)


def code_of(status: HTTPStatus) -> str:
    """The code of an error of the framework, such as `not_found`."""
    return re.sub(r"\W+", "_", status.phrase.lower())


def field_errors(found: Iterable[Fault], *, whole: str = "") -> list[dict[str, Any]]:
    """Convert faults to entries with the field, what it got, and what was expected or the reason.

    Args:
        found: What is wrong.
        whole: The field that a fault of the whole document belongs to, such as the part of a form.
    """
    return [_entry(fault, whole=whole) for fault in islice(found, MOST_ERRORS)]


def documented(
    *errors: type[ServiceError], examples: Mapping[int, Mapping[str, Any]] | None = None
) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of the problems that a route may answer with; `examples` adds more, by status."""
    by_status: dict[int, list[type[ServiceError]]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error)
    return {
        status: {
            "description": " ".join(error.title() + "." for error in kinds),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {
                        name: {"value": value}
                        for name, value in (
                            *((error.code, example(error)) for error in kinds),
                            *(examples or {}).get(status, {}).items(),
                        )
                    },
                }
            },
        }
        for status, kinds in by_status.items()
    }


def example(error: type[ServiceError]) -> dict[str, Any]:
    """An example of a problem document of this kind."""
    return {
        "type": f"urn:td3:problem:{error.code}",
        "title": error.title(),
        "status": error.status,
        "detail": error.title() + ".",
        "instance": "/v1/jobs",
        "code": error.code,
        "request_id": "0199b2f0c3d47c7e9c3d7d3b8c9f1a2b",
    }


def _entry(fault: Fault, *, whole: str) -> dict[str, Any]:
    told = {"field": fault.field or whole, "expected": fault.expected, "reason": fault.reason}
    entry = {name: value for name, value in told.items() if value is not None}
    return entry if fault.got is ABSENT else {**entry, "got": _short(fault.got)}


def _short(value: Any) -> Any:
    """The value that was received, shortened if it is long."""
    if value is None or isinstance(value, bool | int | float):
        return value if value == value and value not in (float("inf"), float("-inf")) else repr(value)
    return _cut(value if isinstance(value, str) else repr(value), LONGEST_VALUE)


def _told(value: Any) -> Any:
    return _cut(value, LONGEST_TEXT) if isinstance(value, str) else value


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "..."


async def _service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    return service_problem(request, error)


def service_problem(request: Request, error: ServiceError) -> Response:
    """The response to an error of ours."""
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request.failed", code=error.code, detail=error.detail, exc_info=error)
    return problem_response(
        request,
        status=error.status,
        code=error.code,
        title=error.title(),
        detail=error.detail,
        errors=error.errors,
        headers=error.headers,
    )


async def _database_error(request: Request, error: Exception) -> Response:
    """The database is unreachable, locked or full: the client may retry."""
    log.error("request.database_unavailable", exc_info=error)
    if isinstance(error, DBAPIError) and ran_full(error):
        return await _service_error(request, StorageFullError("The database is full."))
    return await _service_error(
        request,
        DatabaseError("The database is unavailable; try again later."),
    )


async def _unstorable(request: Request, error: Exception) -> Response:
    """PostgreSQL accepts no NUL character in a text, not even in a query."""
    log.warning("request.unstorable", exc_info=error)
    return await _service_error(
        request,
        BadRequestError(
            "The request contains a character that is not allowed in ids and names, such as NUL."
        ),
    )


async def _invalid_log(request: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidLogError)
    return problem_response(
        request,
        status=UNPROCESSABLE,
        code=error.code,
        title=(type(error).__doc__ or "").rstrip("."),
        detail=str(error),
        errors=log_faults(error),
        total_errors=error.total,
    )


async def _invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [_of_request(fault) for fault in faults(error.errors())]
    return problem_response(
        request,
        status=UNPROCESSABLE,
        code=InvalidRequestError.code,
        title=InvalidRequestError.title(),
        detail=summarise(found),
        errors=field_errors(found),
    )


def _of_request(fault: Fault) -> Fault:
    """Name the parameter or header alone: neither that it is one, nor which of its repetitions is wrong."""
    return replace(fault, path=fault.path[1:2])


def summarise(found: Sequence[Fault]) -> str:
    """Describe the first fault in words, and say how many more there are."""
    return str(found[0]) + (f"; and {len(found) - 1} more" if len(found) > 1 else "")


async def _http_error(request: Request, error: Exception) -> Response:
    """Errors of the framework itself: unknown paths, unsupported methods, malformed bodies."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
    detail = {
        HTTPStatus.NOT_FOUND: f"The path {request.url.path} does not exist.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"The path {request.url.path} does not support {request.method}.",
    }.get(status, str(error.detail))
    return problem_response(
        request,
        status=status,
        code=code_of(status),
        title=status.phrase,
        detail=detail,
        headers=headers,
    )


def _allowed(request: Request) -> list[str]:
    """The methods of this path; the framework names only those of the first matching route."""
    # A path without a parameter, such as /jobs/validate, has its own methods, although it looks like one with an id.
    if own := operations(request, request.scope["path"]):
        methods = [method.upper() for method in own]
    else:
        methods = [method for method in _METHODS if _matches(request, method)]
    return sorted({*methods, *(["HEAD"] if "GET" in methods else [])})


def _matches(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)


async def _gone(request: Request, _error: Exception) -> Response:
    """The client disconnected in the middle of its request; nobody reads this response."""
    log.info("request.abandoned", path=request.url.path)
    return problem_response(
        request,
        status=ClientDisconnectedError.status,
        code=ClientDisconnectedError.code,
        title=ClientDisconnectedError.title(),
        detail="The connection was closed before the request was complete.",
    )


async def _unexpected(request: Request, error: Exception) -> Response:
    """An unexpected error; the framework raises it again after this response, and the server logs the traceback.

    The response is sent from outside our middleware, so its headers are added here.
    """
    request_id = request.scope["state"]["request_id"]
    log.error("request.failed", request_id=request_id, path=request.url.path, error=type(error).__name__)
    response = problem_response(
        request,
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        code=ServiceError.code,
        title="Internal error",
        detail="An unexpected error occurred. The log of the service has the details under the request id.",
        headers={HEADER: request_id},
    )
    complete(response.headers)
    return response
