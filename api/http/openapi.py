"""What the OpenAPI document says beyond what the framework finds out by itself."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.http.problems import MEDIA_TYPE, Problem
from td3core.config import EvaluationSpec, JobSpec

DESCRIPTION = """Distillation as a service: upload an interaction log, get a tiny synthetic summary of it that
recommenders train on in seconds.

`POST /jobs` with the log, follow the job until it has succeeded, download its summary, and let an evaluation
tell how much of the full log's quality the summary keeps. Errors are problem documents (RFC 9457)."""


def answer(description: str, example: object) -> dict[str, Any]:
    """OpenAPI's description of a good answer, with an example of it."""
    return {"description": description, "content": {"application/json": {"example": example}}}


def describe(app: FastAPI) -> dict[str, Any]:
    """The document, made once, with our problem in place of the framework's own error shape."""
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
    for path in document["paths"].values():
        for operation in path.values():
            _describe_errors(operation["responses"])
    for spec in (JobSpec, EvaluationSpec):  # what is sent, which no route's signature names
        schema = spec.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs") | {spec.__name__: schema}
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    app.openapi_schema = document
    return document


def _describe_errors(responses: dict[str, Any]) -> None:
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    invalid = responses.get("422")
    if invalid and "application/json" in invalid["content"]:
        invalid["content"] = {**problem, **{k: v for k, v in invalid["content"].items() if k == MEDIA_TYPE}}
    responses["default"] = {"description": "Any other problem.", "content": problem}
