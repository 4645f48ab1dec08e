"""OpenTelemetry traces, where an endpoint is set; without one nothing of the SDK is imported and no span exists.

A request's span is FastAPI's own. It goes on in the row of the run that the request creates, and from there in the
span of each message and each attempt, whoever sends or runs it.
"""

from opentelemetry import trace

from api.settings import Settings
from td3core.version import VERSION

tracer = trace.get_tracer("td3", VERSION)
FLUSH_MILLISECONDS = 5000


def configure_tracing(settings: Settings, *, process: str) -> None:
    """Send this process's spans to the endpoint of the settings, as service `td3-{process}`, if there is one."""
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
    """Send the spans that have ended, from a process that is about to."""
    if force_flush := getattr(trace.get_tracer_provider(), "force_flush", None):
        force_flush(FLUSH_MILLISECONDS)
