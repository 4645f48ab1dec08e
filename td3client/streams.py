"""Following the events of a run, over connections that break."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager

import httpx
from httpx_sse import EventSource

from td3client.answers import BoundedEvents, check_head, check_type, parse
from td3client.errors import ServiceProblem, UnexpectedAnswerError, UnreachableError
from td3client.resources import Event

FINISHED = frozenset({"succeeded", "failed", "cancelled"})
"""The last event of a run, and the state it then has."""
# The service pings every 15 seconds, so a stream that is silent for longer is broken.
STREAM_SILENCE = 45.0
RECONNECT_PAUSE = 1.0
RECONNECT_SECONDS = 60.0

Open = Callable[[str, Mapping[str, str]], AbstractContextManager[httpx.Response]]
"""`(path, headers)`: opens a stream."""


def stream(open_stream: Open, path: str, after: int) -> Iterator[Event]:
    """Yield the events after this one. A stream that breaks or ends too early is reopened after the last event.

    Raises:
        ServiceProblem: The service refuses, or has failed for longer than `RECONNECT_SECONDS`.
        UnreachableError: It has been unreachable for that long.
        UnexpectedAnswerError: What it sends is no stream of new events.
    """
    broken_at: float | None = None
    while True:
        try:
            with open_stream(path, _headers(after)) as response:
                check_head(response)
                if response.status_code == httpx.codes.NO_CONTENT:
                    return
                broken_at = None
                for event in _events(response):
                    if event["seq"] <= after:
                        raise UnexpectedAnswerError(
                            response.url, f"event {event['seq']} again, after {after}"
                        )
                    after = event["seq"]
                    yield event
                    if event["kind"] in FINISHED:
                        return
        except (UnreachableError, ServiceProblem) as error:
            broken_at = broken_at or time.monotonic()
            refused = isinstance(error, ServiceProblem) and error.status < httpx.codes.INTERNAL_SERVER_ERROR
            if refused or time.monotonic() - broken_at > RECONNECT_SECONDS:
                raise
        time.sleep(RECONNECT_PAUSE)


def _headers(after: int) -> dict[str, str]:
    return {"Accept": "text/event-stream", "Cache-Control": "no-store", "Last-Event-ID": str(after)}


def _events(response: httpx.Response) -> Iterator[Event]:
    check_type(response, "text/event-stream")
    response.stream = BoundedEvents(response)
    for message in EventSource(response).iter_sse():
        if message.data:  # the library has pings without any
            yield parse(message.data, Event, response)
