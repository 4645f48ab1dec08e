"""Workers over HTTP."""

from datetime import timedelta

from fastapi import APIRouter

from api.http.auth import Tenant
from api.http.context import Service
from api.http.openapi import answer
from api.workers import service
from api.workers.schemas import WORKERS_EXAMPLE, WorkerOut, Workers

router = APIRouter(tags=["workers"])


@router.get(
    "/workers", summary="List workers", responses={200: answer("All that are known.", WORKERS_EXAMPLE)}
)
def list_workers(context: Service, tenant: Tenant) -> Workers:
    """Who is there, who fell silent and who stopped, and what each runs; forgotten after a day."""
    patience = timedelta(seconds=context.settings.lease_seconds)
    with context.database.reading() as session:
        known = service.everybody(session, tenant_id=tenant, patience=patience)
        return Workers(items=[WorkerOut.of(seen) for seen in known])
