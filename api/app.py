"""The FastAPI application: routes, error handlers, middleware and lifespan."""

from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import structlog
from fastapi import APIRouter, Depends, FastAPI

from api.access import routes as access_routes
from api.audit import routes as audit_routes
from api.datasets import validation
from api.documentation import guide, interactive
from api.evaluations import routes as evaluation_routes
from api.events import routes as event_routes
from api.health import routes as health
from api.http import openapi, problems, version
from api.http.auth import authorize
from api.http.boundary import BoundaryMiddleware
from api.http.context import open_context
from api.http.openapi import answer
from api.http.parameters import check_parameters
from api.http.request_log import RequestLogMiddleware
from api.jobs import download, upkeep
from api.jobs import routes as job_routes
from api.keys import first
from api.keys import routes as key_routes
from api.members import routes as member_routes
from api.metrics import routes as metric_routes
from api.metrics.database import DatabaseCollector
from api.metrics.http import HttpMetrics, HttpMetricsMiddleware
from api.metrics.routes import new_registry
from api.projects import routes as project_routes
from api.settings import Settings, load_settings
from api.storage import scratch
from api.webhooks import routes as webhook_routes
from api.workers import routes as worker_routes
from td3core.version import VERSION

log = structlog.get_logger(__name__)

LINKS = {
    "jobs": f"{version.PREFIX}/jobs",
    "workers": f"{version.PREFIX}/workers",
    "webhooks": f"{version.PREFIX}/webhooks",
    "guide": "/guide/",
    "documentation": "/docs",
    "openapi": "/openapi.json",
    "alive": "/healthz",
    "ready": "/readyz",
    "metrics": "/metrics",
}

root = APIRouter(tags=["service"])


@root.get(
    "/",
    summary="Index",
    responses={
        200: answer("Name, version and links.", {"name": "TD3 Service", "version": VERSION, "links": LINKS})
    },
)
async def index() -> dict[str, str | dict[str, str]]:
    """Get the version of the service and links to its resources."""
    return {"name": "TD3 Service", "version": VERSION, "links": LINKS}


def _is_probe(scope: MutableMapping[str, Any]) -> bool:
    """Whether the request is a probe, which is not traced."""
    return scope["path"] in (LINKS["alive"], LINKS["ready"], LINKS["metrics"])


def create_app(settings: Settings | None = None, *, guide_folder: Path = guide.GUIDE) -> FastAPI:
    """Build the application; it opens its connections when it starts.

    Args:
        settings: Left out, the environment is read.
        guide_folder: The documentation site to serve, if it has been built.

    Raises:
        SettingsError: A setting is missing or invalid.
    """
    settings = settings or load_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if cleared := scratch.clear_abandoned(settings.uploads_dir):
            log.info("uploads.cleared", folders=cleared)
        app.state.context = open_context(settings)
        validation.prepare()
        app.state.registry.register(
            DatabaseCollector(app.state.context.database, silent_after=settings.lease_seconds)
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app.state.context.feed.run)
            tasks.start_soon(app.state.context.uses.run)
            if settings.access_control != "off" and settings.first_admin_sha256:
                tasks.start_soon(first.let_in, app.state.context.database, settings.first_admin_sha256)
            yield
            tasks.cancel_scope.cancel()
        app.state.context.close()

    app = FastAPI(
        title="TD3 Service",
        version=VERSION,
        description=openapi.DESCRIPTION,
        lifespan=lifespan,
        dependencies=[Depends(authorize), Depends(check_parameters)],
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would send clients to whatever the Host header says
        telemetry={"exclude": _is_probe, "operation_spans": False, "metrics": False, "logs": False},
        openapi_tags=[
            {"name": "jobs", "description": "Distil a log to a summary."},
            {"name": "evaluations", "description": "Measure the quality of a summary."},
            {"name": "workers", "description": "The processes that execute runs."},
            {"name": "access", "description": "Who may use the service, and for what."},
            {"name": "webhooks", "description": "Endpoints that are told of events."},
            {"name": "health", "description": "Liveness and readiness probes."},
        ],
    )
    app.openapi = lambda: openapi.describe(app, closed=settings.access_control != "off")
    problems.install(app)
    app.state.registry = new_registry()
    app.add_middleware(BoundaryMiddleware, hosts=settings.hosts)
    app.add_middleware(HttpMetricsMiddleware, metrics=HttpMetrics(app.state.registry))
    app.add_middleware(RequestLogMiddleware)
    for router in (
        event_routes.streams,
        job_routes.router,
        upkeep.router,
        download.router,
        evaluation_routes.router,
        event_routes.router,
        worker_routes.router,
        access_routes.router,
        key_routes.router,
        audit_routes.router,
        project_routes.router,
        member_routes.router,
        webhook_routes.router,
    ):
        version.include(app, router)
    for router in (health.router, metric_routes.router, root):
        app.include_router(router)
    interactive.install(app)
    guide.install(app, guide_folder)
    return app
