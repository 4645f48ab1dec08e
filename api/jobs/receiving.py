"""Receiving a log with its spec: the body of a submission, within the limits of service and project."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import Request
from fastapi.concurrency import contextmanager_in_threadpool

from api.errors import BusyError, InvalidRequestError, ServiceError
from api.http.body import drain
from api.http.context import Context
from api.http.multipart import Submission, receive_submission
from api.http.problems import example
from api.limits.admission import admitted
from api.limits.bounds import Bounds
from api.storage import scratch

_USERS, _ITEMS = ("ada", "ben", "cleo", "dan", "eve", "finn"), ("tea", "milk", "bread", "jam", "eggs", "rice")
EXAMPLE_LOG = "user_id,item_id,timestamp\n" + "".join(
    f"{user},{_ITEMS[(first + time) % len(_ITEMS)]},{time}\n"
    for first, user in enumerate(_USERS)
    for time in range(len(_ITEMS))
)
"""A log that the default filters keep whole: everybody has every item once."""

UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["dataset"],
                    "additionalProperties": False,
                    "properties": {
                        "dataset": {
                            "type": "string",
                            "contentMediaType": "application/octet-stream",
                            "description": "The interaction log as CSV, TSV, JSON or RecBole .inter (each plain or "
                            "compressed by gzip, zstd, bzip2, xz or zip), or as Parquet or Arrow IPC.",
                        },
                        "spec": {"$ref": "#/components/schemas/JobSpec"},
                        "webhook": {"$ref": "#/components/schemas/WebhookSpec"},
                    },
                },
                "encoding": {name: {"contentType": "application/json"} for name in ("spec", "webhook")},
                "examples": {
                    "defaults": {
                        "summary": "A log, with the default spec",
                        "value": {"dataset": EXAMPLE_LOG},
                    },
                    "small summary": {
                        "summary": "A log and a spec",
                        "value": {
                            "dataset": EXAMPLE_LOG,
                            "spec": {"seed": 7, "summary": {"users": 30, "length": 50}},
                        },
                    },
                    "webhook": {
                        "summary": "A log, and a URL that is told when the job ends",
                        "value": {
                            "dataset": EXAMPLE_LOG,
                            "webhook": {"url": "https://hooks.example.com/td3"},
                        },
                    },
                },
            }
        },
    }
}


BAD_LOG_EXAMPLES = {
    "bad_rows": example(InvalidRequestError)
    | {
        "type": "urn:td3:problem:bad_rows",
        "title": "Some rows of the log are invalid",
        "detail": "1 problem in the log, in line 3: expected 3 fields as in the header, got 1 ('ada')",
        "code": "bad_rows",
        "errors": [{"line": 3, "value": "ada", "reason": "expected 3 fields as in the header, got 1"}],
        "total_errors": 1,
    }
}


@asynccontextmanager
async def received_log(
    request: Request, context: Context, tenant: str
) -> AsyncGenerator[tuple[Submission, Bounds]]:
    """Receive a log with its spec into a folder that is deleted in the end, within the limits of the project.

    Raises:
        ServiceError: What `receive_submission` raises, or service or project receive as many as they may already.
    """
    settings = context.settings
    async with AsyncExitStack() as stack:
        try:
            if context.uploads.locked():
                raise BusyError()
            await stack.enter_async_context(context.uploads)
            bounds = await stack.enter_async_context(
                admitted(context.database, tenant_id=tenant, defaults=settings.bounds)
            )
        except ServiceError as error:
            await drain(request.stream(), error)
            raise
        place = scratch.scratch_folder(settings.uploads_dir, prefix="upload")
        folder = await stack.enter_async_context(contextmanager_in_threadpool(place))
        sent = await receive_submission(
            request,
            folder,
            max_bytes=bounds.log_bytes or settings.max_upload_bytes,
            ceilings=bounds.ceilings(settings.ceilings),
        )
        yield sent, bounds
