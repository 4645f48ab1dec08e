"""Is it alive, and can it do its work?"""

from collections.abc import Callable

import structlog
from fastapi import APIRouter
from kombu.exceptions import OperationalError
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError

from api.errors import NotReadyError, StorageError
from api.http.context import Context, Service
from api.http.openapi import answer
from api.http.problems import documented
from api.migrate import current_revision, newest_revision

router = APIRouter(tags=["health"])
log = structlog.get_logger(__name__)


class Health(BaseModel):
    """The process answers."""

    status: str = Field(examples=["alive"])


class Readiness(BaseModel):
    """Every part answers."""

    status: str = Field(examples=["ready"])
    checks: dict[str, str] = Field(examples=[{"database": "ok", "broker": "ok", "storage": "ok"}])


@router.get("/healthz", summary="Alive?", responses={200: answer("It answers.", {"status": "alive"})})
async def healthz() -> Health:
    """Whether the process answers; looks at nothing else, so that a broken database restarts nobody."""
    return Health(status="alive")


@router.get(
    "/readyz",
    summary="Ready?",
    responses={
        200: answer(
            "Every part answers.",
            {"status": "ready", "checks": {"database": "ok", "broker": "ok", "storage": "ok"}},
        ),
        **documented(NotReadyError),
    },
)
def readyz(context: Service) -> Readiness:
    """Whether database, broker and storage answer; a 503 names those that do not."""
    checks: dict[str, Callable[[Context], str | None]] = {
        "database": check_database,
        "broker": check_broker,
        "storage": check_storage,
    }
    faults = [{"check": name, "reason": fault} for name, check in checks.items() if (fault := check(context))]
    if faults:
        raise NotReadyError(
            "; ".join(f"{fault['check']}: {fault['reason']}" for fault in faults), errors=faults
        )
    return Readiness(status="ready", checks=dict.fromkeys(checks, "ok"))


def check_database(context: Context) -> str | None:
    """It answers, and its tables are the ones this code knows."""
    try:
        with context.database.engine.connect() as connection:
            revision = current_revision(connection)
    except SQLAlchemyError as error:
        log.warning("ready.database", error=str(error))
        return "does not answer"
    newest = newest_revision()
    return None if revision == newest else f"is at revision {revision}, this code needs {newest}"


def check_broker(context: Context) -> str | None:
    """A connection of its own reaches it."""
    try:
        with context.celery.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=3)
            connection.default_channel.client.ping()
    except OperationalError as error:
        log.warning("ready.broker", error=str(error))
        return "does not answer"
    return None


def check_storage(context: Context) -> str | None:
    """It says that something is not there."""
    try:
        context.storage.exists("readyz")
    except StorageError:
        log.warning("ready.storage", exc_info=True)
        return "does not answer"
    return None
