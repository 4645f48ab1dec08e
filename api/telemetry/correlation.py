"""Ids that link a request with the runs that it creates. They are stored in the rows, not only sent in messages."""

from contextvars import ContextVar
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

client_address: ContextVar[str | None] = ContextVar("client_address", default=None)
"""Address that the current request came from."""

user: ContextVar[dict[str, Any] | None] = ContextVar("user", default=None)
"""Who the user of the current request is, as the audit log tells it."""

_W3C = TraceContextTextMapPropagator()


def current_request_id() -> str | None:
    """Return the id of the current request, or of the request that created the current run."""
    return structlog.contextvars.get_contextvars().get("request_id")


def current_key_id() -> str | None:
    """Return the id of the API key of the current request; None if it has none."""
    return structlog.contextvars.get_contextvars().get("key_id")


def current_user_id() -> str | None:
    """Return the id of the user of the current request; None if it is none of a user."""
    return structlog.contextvars.get_contextvars().get("user_id")


def current_caller_id() -> str | None:
    """Return the id of the API key or of the user of the current request; None if it needs neither."""
    return current_user_id() or current_key_id()


def current_traceparent() -> str | None:
    """Return the current span as a W3C `traceparent`, if traces are recorded."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get("traceparent")


def continued(traceparent: str | None) -> Context | None:
    """Return the context of this span, or `None` (the current context) if there is none."""
    return _W3C.extract({"traceparent": traceparent}) if traceparent else None


def add_trace(_logger: object, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Add the ids of the current trace and span to a log line."""
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        line["trace_id"] = trace.format_trace_id(span.trace_id)
        line["span_id"] = trace.format_span_id(span.span_id)
    return line
