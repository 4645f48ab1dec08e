"""HTTP routes of workers."""

from datetime import timedelta

from fastapi import APIRouter

from api.access.scopes import Scope
from api.http.auth import Caller
from api.http.context import Service
from api.http.openapi import answer
from api.workers import service
from api.workers.schemas import WORKERS_EXAMPLE, WorkerOut, Workers

router = APIRouter(tags=["workers"])


@router.get(
    "/workers", summary="List workers", responses={200: answer("All known workers.", WORKERS_EXAMPLE)}
)
def list_workers(context: Service, caller: Caller) -> Workers:
    """List the workers with their state and the runs that they hold.

    A worker stays listed for a time after its last heartbeat (one day, unless the service is configured otherwise).
    Where it runs, `host` and `pid`, is shown to platform administrators alone.
    """
    patience = timedelta(seconds=context.settings.lease_seconds)
    with context.database.reading() as session:
        known = service.everybody(session, tenant_id=caller.project, patience=patience)
        with_host = Scope.PLATFORM in caller.scopes
        return Workers(items=[WorkerOut.of(seen, with_host=with_host) for seen in known])
