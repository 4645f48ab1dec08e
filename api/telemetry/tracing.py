"""OpenTelemetry traces, if an endpoint is set. Without one, the SDK is not imported and no spans exist.

FastAPI creates the span of a request. Its id is stored in the row of the run that the request creates, so that the
spans of all messages and attempts of this run belong to the same trace.
"""

from opentelemetry import trace

from api.settings import Settings
from td3core.version import VERSION

tracer = trace.get_tracer("td3", VERSION)
FLUSH_MILLISECONDS = 5000


def configure_tracing(settings: Settings, *, process: str) -> None:
    """Send the spans of this process, as service `td3-{process}`, to the endpoint of the settings, if one is set."""
    if not settings.otlp_endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    ours = Resource.create({"service.name": f"td3-{process}", "service.version": VERSION})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()))
    exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def flush() -> None:
    """Send all finished spans; called before the process ends."""
    if force_flush := getattr(trace.get_tracer_provider(), "force_flush", None):
        force_flush(FLUSH_MILLISECONDS)
