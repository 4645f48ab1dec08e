"""What joins a request with the runs it creates: ids that the rows keep, so that no lost message loses them."""

import structlog
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_W3C = TraceContextTextMapPropagator()


def current_request_id() -> str | None:
    """The id of the request that is being served, or of the one that created the run that is being run."""
    return structlog.contextvars.get_contextvars().get("request_id")


def current_traceparent() -> str | None:
    """The current span as a W3C `traceparent`, where traces are recorded."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get("traceparent")
