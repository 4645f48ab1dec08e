"""Metrics of HTTP requests of one API process: latency, load and upload volume, as ASGI middleware."""

import time
from http import HTTPMethod

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""In seconds, from a query of a job to an upload of gigabytes."""
NO_ROUTE = "other"
"""Label of requests that match none of our routes: unknown paths and the documentation."""


class HttpMetrics:
    """The metrics. Labels are route templates and HTTP methods, so that clients cannot create new label values."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
            "td3_http_request_duration_seconds",
            "Seconds until the response headers are sent; streams and downloads may continue after that.",
            ["route", "method", "status"],
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "td3_http_requests_in_flight",
            "Number of requests in progress, including streams.",
            registry=registry,
        )
        self.received = Counter(
            "td3_http_received_bytes_total", "Bytes received in request bodies.", registry=registry
        )


class HttpMetricsMiddleware:
    """Observes each request when its response headers are sent, or have failed to be sent."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        metrics = self._metrics
        started = time.perf_counter()
        observed = False

        def observe(status: int) -> None:
            nonlocal observed
            if not observed:
                observed = True
                elapsed = time.perf_counter() - started
                metrics.seconds.labels(route_of(scope), method_of(scope), f"{status // 100}xx").observe(
                    elapsed
                )

        async def observed_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                observe(message["status"])
            await send(message)

        async def counted_receive() -> Message:
            message = await receive()
            if body := message.get("body"):
                metrics.received.inc(len(body))
            return message

        with metrics.in_flight.track_inprogress():
            try:
                await self._app(scope, counted_receive, observed_send)
            finally:
                observe(500)  # the response to an exception is sent by an outer layer


def route_of(scope: Scope) -> str:
    """The route template, which is known once the request is routed."""
    return getattr(scope.get("route"), "path", NO_ROUTE)


def method_of(scope: Scope) -> str:
    """The method, if it is a standard one."""
    return scope["method"] if scope["method"] in HTTPMethod.__members__ else "OTHER"
