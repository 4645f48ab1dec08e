"""HTTP routes of workers."""

from datetime import timedelta

from fastapi import APIRouter

from api.http.auth import Tenant
from api.http.context import Service
from api.http.openapi import answer
from api.workers import service
from api.workers.schemas import WORKERS_EXAMPLE, WorkerOut, Workers

router = APIRouter(tags=["workers"])


@router.get(
    "/workers", summary="List workers", responses={200: answer("All known workers.", WORKERS_EXAMPLE)}
)
def list_workers(context: Service, tenant: Tenant) -> Workers:
    """List the workers with their state and the runs that they hold.

    A worker stays listed for a time after its last heartbeat (one day, unless the service is configured otherwise).
    """
    patience = timedelta(seconds=context.settings.lease_seconds)
    with context.database.reading() as session:
        known = service.everybody(session, tenant_id=tenant, patience=patience)
        return Workers(items=[WorkerOut.of(seen) for seen in known])
