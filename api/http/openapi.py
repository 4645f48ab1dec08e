"""The OpenAPI document, with what the framework cannot derive from the routes."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from api.access.scopes import Scope
from api.errors import (
    InvalidKeyError,
    InvalidTokenError,
    MissingScopeError,
    NoProjectError,
    UnauthenticatedError,
)
from api.http.permissions import Need, Open, need_of
from api.http.problems import MEDIA_TYPE, Problem, documented
from api.http.version import PREFIX
from api.keys.schemas import KeyIn, RotationIn
from api.members.schemas import MemberIn
from api.projects.schemas import ProjectChange, ProjectIn
from api.runs.annotations import RunChange
from api.runs.bulk import Bulk
from api.webhooks.schemas import Replay, Rotation, WebhookChange, WebhookSpec
from td3core.config import EvaluationSpec, JobSpec

DESCRIPTION = """Dataset distillation as a service: upload an interaction log and get a small synthetic summary of it,
on which recommenders train in seconds.

1. Submit a job with `POST /v1/jobs`.
2. Follow it with `GET /v1/jobs/{job_id}` until its state is `succeeded`.
3. Download its summary with `GET /v1/jobs/{job_id}/summary`.
4. Start an evaluation with `POST /v1/jobs/{job_id}/evaluations` to measure how much of the full log's quality the
   summary keeps.

Errors are problem documents (RFC 9457). Unknown query parameters and headers are ignored; unknown fields of a spec and
unknown parts of a form are refused.

While access control is on, requests carry an API key, and each operation names the scope that the key needs."""

BODIES: tuple[type[BaseModel], ...] = (
    JobSpec,
    EvaluationSpec,
    KeyIn,
    RotationIn,
    ProjectIn,
    ProjectChange,
    MemberIn,
    WebhookSpec,
    WebhookChange,
    Rotation,
    Replay,
    RunChange,
    Bulk,
)
"""Request bodies that no route declares in its signature."""
SCHEME = "api_key"
API_KEY = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "td3_ and 36 letters and digits",
    "description": "An API key, in the header `Authorization: Bearer td3_...`. Needed while access control is on "
    "(`TD3_ACCESS_CONTROL`). A token (JWT) of an issuer that the service trusts takes its place.",
}
PROJECT_OF_USER = {
    "name": "TD3-Project",
    "in": "header",
    "required": False,
    "description": "Id of the project that the request is about, for users who have a role in several.",
    "schema": {"type": "string"},
}


def answer(description: str, example: object) -> dict[str, Any]:
    """The OpenAPI description of a successful response, with an example."""
    return {"description": description, "content": {"application/json": {"example": example}}}


def json_body(model: type[BaseModel], example: object, *, required: bool = True) -> dict[str, Any]:
    """The OpenAPI description of a body that the route reads by itself."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": required, "content": content}}


def describe(app: FastAPI, *, closed: bool) -> dict[str, Any]:
    """Build the document once, with `Problem` in place of the framework's own error schema.

    Args:
        app: The application, with all its routes.
        closed: Whether access control is on. If not, keys are optional.
    """
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
        separate_input_output_schemas=False,
    )
    schemas = document["components"]["schemas"]
    schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    document["components"]["securitySchemes"] = {SCHEME: API_KEY}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _describe_access(operation, need_of(method.upper(), path.removeprefix(PREFIX)), closed)
            _describe_errors(operation["responses"])
            for parameter in operation.get("parameters", ()):
                _describe_text(parameter["schema"])
    # Relative to the address of the document, so that requests from `/docs` work under any prefix of the path.
    document["servers"] = [{"url": "."}]
    for model in BODIES:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    app.openapi_schema = document
    return document


def _describe_text(schema: dict[str, Any]) -> None:
    """A parameter can be left out, but as a text it cannot be null, as the framework says of one that may be None."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del schema["anyOf"]
        schema |= kinds[0]


def _describe_access(operation: dict[str, Any], need: Need | None, closed: bool) -> None:
    """Say which scope the operation needs, and how a request is answered that does not have it."""
    if need is Open.NOTHING:
        operation["security"] = []
        return
    scopes = [str(need)] if isinstance(need, Scope) else []
    operation["security"] = [*([] if closed else [{}]), {SCHEME: scopes}]
    refusals = documented(
        UnauthenticatedError,
        InvalidKeyError,
        InvalidTokenError,
        *([MissingScopeError] if scopes else []),
        NoProjectError,
    )
    operation["parameters"] = [*operation.get("parameters", ()), PROJECT_OF_USER]
    operation["responses"] |= {str(status): refusal for status, refusal in refusals.items()}


def _describe_errors(responses: dict[str, Any]) -> None:
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    invalid = responses.get("422")
    if invalid and "application/json" in invalid["content"]:
        invalid["content"] = {**problem, **{k: v for k, v in invalid["content"].items() if k == MEDIA_TYPE}}
    responses["default"] = {"description": "Any other error.", "content": problem}
