"""HTTP routes for liveness and readiness probes."""

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
from api.migrate import current_revision, is_known, newest_revision

router = APIRouter(tags=["health"])
log = structlog.get_logger(__name__)


class Health(BaseModel):
    """Result of the liveness probe."""

    status: str = Field(description="Always `alive`.", examples=["alive"])


class Readiness(BaseModel):
    """Result of the readiness probe."""

    status: str = Field(
        description="Always `ready`; otherwise the response is a problem.", examples=["ready"]
    )
    checks: dict[str, str] = Field(
        description="Result of each check, by name.",
        examples=[{"database": "ok", "broker": "ok", "storage": "ok"}],
    )


@router.get(
    "/healthz",
    summary="Liveness probe",
    responses={200: answer("The process is alive.", {"status": "alive"})},
)
async def healthz() -> Health:
    """Check that the process answers requests. A failing probe means that it should be restarted.

    Database, broker and storage are not checked, because restarting the API does not repair them.
    """
    return Health(status="alive")


@router.get(
    "/readyz",
    summary="Readiness probe",
    responses={
        200: answer(
            "Database, broker and storage are available.",
            {"status": "ready", "checks": {"database": "ok", "broker": "ok", "storage": "ok"}},
        ),
        **documented(NotReadyError),
    },
)
def readyz(context: Service) -> Readiness:
    """Check that database, broker and storage are available. A 503 response names those that are not."""
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
    """Check that the database answers and has the schema that this version needs, or a later one.

    In a rolling upgrade the schema is upgraded first, and the processes of the version before it go on.
    """
    try:
        with context.database.engine.connect() as connection:
            revision = current_revision(connection)
    except SQLAlchemyError as error:
        log.warning("ready.database", error=str(error))
        return "unavailable"
    newest = newest_revision()
    if revision == newest or (revision is not None and not is_known(revision)):
        return None
    return f"the schema is at revision {revision}, expected {newest}"


def check_broker(context: Context) -> str | None:
    """Check that the broker answers, on a connection of its own."""
    try:
        with context.celery.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=3)
            connection.default_channel.client.ping()
    except OperationalError as error:
        log.warning("ready.broker", error=str(error))
        return "unavailable"
    return None


def check_storage(context: Context) -> str | None:
    """Check that the storage answers a query."""
    try:
        context.storage.exists("readyz")
    except StorageError:
        log.warning("ready.storage", exc_info=True)
        return "unavailable"
    return None
