"""Observability of one attempt at a run: metrics, its trace span, and a span for each stage."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.trace import Span, SpanKind

from api.runs.claims import Claim
from api.telemetry.correlation import continued
from api.telemetry.tracing import tracer
from worker.metrics import LEASE_LOST, RunMetrics, run_metrics


class ObservedRun:
    """Observes an attempt: every step and, before the block ends, the outcome."""

    def __init__(self, metrics: RunMetrics) -> None:
        self.outcome = LEASE_LOST
        self._metrics = metrics
        self._stage, self._step, self._at = "", 0, 0.0
        self._span: Span | None = None

    def step(self, stage: str, step: int) -> None:
        """Observe that the run has reached this step of this stage."""
        at = time.monotonic()
        if stage != self._stage:
            self.end_stage()
            self._span = tracer.start_span(stage)
        elif step > self._step:
            seconds = (at - self._at) / (step - self._step)
            self._metrics.step.labels(stage).observe(seconds)
        self._stage, self._step, self._at = stage, step, at

    def end_stage(self) -> None:
        """End the span of the current stage."""
        if self._span:
            self._span.set_attribute("td3.steps", self._step)
            self._span.end()
            self._span = None


@contextmanager
def observed(held: Claim) -> Iterator[ObservedRun]:
    """Measure an attempt, in a span that continues the trace of the request that created the run."""
    kind, metrics = held.model.kind, run_metrics()
    if held.waited is not None:
        metrics.wait.labels(kind).observe(held.waited.total_seconds())
    run = ObservedRun(metrics)
    started = time.monotonic()
    with tracer.start_as_current_span(
        f"run {held.model.task}",
        context=continued(held.traceparent),
        kind=SpanKind.CONSUMER,
        attributes={"td3.run": held.run_id, "td3.attempt": held.attempt},
    ) as span:
        try:
            yield run
        finally:
            run.end_stage()
            span.set_attribute("td3.outcome", run.outcome)
            metrics.duration.labels(kind, run.outcome).observe(time.monotonic() - started)
