"""HTTP route of Prometheus metrics."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder

router = APIRouter(tags=["service"])


EXAMPLE = """# HELP td3_queue_oldest_seconds Waiting time of the oldest queued run, in seconds.
# TYPE td3_queue_oldest_seconds gauge
td3_queue_oldest_seconds{kind="job"} 0.0
"""


def new_registry() -> CollectorRegistry:
    """Create a registry with the metrics of the process: memory, processor time, open files."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry


@router.get(
    "/metrics",
    summary="Metrics",
    response_class=PlainTextResponse,
    responses={200: {"description": "The metrics.", "content": {"text/plain": {"example": EXAMPLE}}}},
)
def metrics(request: Request) -> Response:
    """Get all metrics of this process, in the text format of Prometheus or as OpenMetrics, as `Accept` says."""
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(request.app.state.registry), headers={"Content-Type": media_type})
