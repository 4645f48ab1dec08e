"""HTTP route that downloads the summary of a job, with support for ranges."""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from api.errors import (
    ExpiredError,
    JobNotFinishedError,
    JobNotFoundError,
    JobWithoutSummaryError,
    RangeError,
    StorageError,
)
from api.http.auth import Tenant
from api.http.context import Context, Service
from api.http.problems import documented
from api.http.ranges import not_modified, requested_slice
from api.jobs import service
from api.models import SummaryArchive

router = APIRouter(prefix="/jobs", tags=["jobs"])

ARCHIVE: dict[str, Any] = {
    "content": {"application/zip": {"schema": {"type": "string", "contentMediaType": "application/zip"}}},
    "headers": {
        "ETag": {"description": "SHA-256 of the archive, in quotes.", "schema": {"type": "string"}},
        "Content-Disposition": {"description": "File name of the archive.", "schema": {"type": "string"}},
        "Accept-Ranges": {"description": "Always `bytes`.", "schema": {"type": "string"}},
    },
}


@router.get(
    "/{job_id}/summary",
    response_class=Response,
    summary="Download the summary",
    responses={
        200: {"description": "The archive.", **ARCHIVE},
        206: {"description": "The requested range of the archive.", **ARCHIVE},
        307: {
            "description": "Download the archive from the signed URL in `Location`, which is valid for a short "
            "time."
        },
        304: {"description": "The archive has not changed (`If-None-Match`)."},
        **documented(
            JobNotFoundError,
            JobNotFinishedError,
            JobWithoutSummaryError,
            ExpiredError,
            RangeError,
            StorageError,
        ),
    },
)
@router.head("/{job_id}/summary", response_class=Response, include_in_schema=False)
def download_summary(job_id: str, request: Request, context: Service, tenant: Tenant) -> Response:
    """Download the summary as a zip archive of factors, items and a manifest.

    Supports `Range`, `If-Range` and `If-None-Match`.
    """
    with context.database.reading() as session:
        summary = service.summary_of(session, job_id, tenant_id=tenant)
    etag = f'"{summary.sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="td3-summary-{job_id}.zip"',
    }
    if not_modified(request.headers, etag):
        return Response(status_code=304, headers=headers)
    wanted = requested_slice(request.headers, size=summary.bytes, etag=etag)
    if request.method == "GET" and (url := _signed_url(context, summary)):
        return RedirectResponse(url, 307, {"Cache-Control": "no-store"})
    headers["Content-Length"] = str(wanted.end - wanted.start)
    if wanted.partial:
        headers["Content-Range"] = f"bytes {wanted.start}-{wanted.end - 1}/{summary.bytes}"
    status = 206 if wanted.partial else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type="application/zip")
    return StreamingResponse(
        context.storage.read(summary.storage_key, start=wanted.start, end=wanted.end),
        status,
        headers,
        "application/zip",
    )


def _signed_url(context: Context, summary: SummaryArchive) -> str | None:
    """The signed URL of the archive, if signed downloads are enabled and the storage supports them."""
    lasting = context.settings.signed_url_seconds
    if not lasting:
        return None
    return context.storage.signed_url(summary.storage_key, lasting=timedelta(seconds=lasting))
