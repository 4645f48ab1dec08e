"""Counting the uploads of a project while they go on."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError

from api.db import Database
from api.limits import service
from api.limits.bounds import Bounds

RENEW_SECONDS = 5.0

log = structlog.get_logger(__name__)


@asynccontextmanager
async def admitted(database: Database, *, tenant_id: str, defaults: Bounds) -> AsyncGenerator[Bounds]:
    """Count an upload of the project while the block receives it; yield the limits of the project.

    Raises:
        UploadsLimitError: The project sends as many as it may already.
    """
    bounds, upload_id = await run_in_threadpool(_admit, database, tenant_id, defaults)
    if upload_id is None:
        yield bounds
        return
    renewal = asyncio.create_task(_renew(database, upload_id))
    try:
        yield bounds
    finally:
        renewal.cancel()
        with contextlib.suppress(SQLAlchemyError):  # then it expires
            await run_in_threadpool(_release, database, upload_id)


def project_bounds(database: Database, tenant_id: str, defaults: Bounds) -> Bounds:
    """Read the limits of a project."""
    with database.reading() as session:
        return service.bounds_of(session, tenant_id=tenant_id, defaults=defaults)


def _admit(database: Database, tenant_id: str, defaults: Bounds) -> tuple[Bounds, str | None]:
    bounds = project_bounds(database, tenant_id, defaults)
    if bounds.uploads is None:
        return bounds, None
    with database.transaction() as session:
        return bounds, service.admit(session, tenant_id=tenant_id, bounds=bounds)


def _release(database: Database, upload_id: str) -> None:
    with database.transaction() as session:
        service.release(session, upload_id)


async def _renew(database: Database, upload_id: str) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            await run_in_threadpool(_extend, database, upload_id)
        except SQLAlchemyError as error:
            log.warning("upload.database_unavailable", error=str(error))


def _extend(database: Database, upload_id: str) -> None:
    with database.transaction() as session:
        service.renew(session, upload_id)
