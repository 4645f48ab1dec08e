"""What joins a request with the runs it creates: ids that the rows keep, so that no lost message loses them."""

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
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


def continued(traceparent: str | None) -> Context | None:
    """The context whose span this was; `None`, which stands for the current one, where there was none."""
    return _W3C.extract({"traceparent": traceparent}) if traceparent else None


def add_trace(_logger: object, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Name trace and span in a log line, where there is one."""
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        line["trace_id"] = trace.format_trace_id(span.trace_id)
        line["span_id"] = trace.format_span_id(span.span_id)
    return line
