"""A connection of a client: uvicorn's protocol, with limits on what it may hold and for how long.

Uvicorn alone waits for ever for the head of a request and for a client that reads no response, reads for ever what
follows a response that did not need the body, and processes all that arrived in one go, however many chunks it is.
"""

import asyncio
import heapq
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.http.body import DRAIN_BYTES, DRAIN_SECONDS, SILENCE_SECONDS
from api.http.headers import HEADERS
from api.http.problems import MEDIA_TYPE, Problem, code_of

HEAD_SECONDS = 20.0
"""For which a connection may take to send the head of its first request, or of another one that it has begun."""
TURN = 64
"""Pieces of a body that are processed before other connections have their turn."""
ROOM = 50
"""Share of the connections that are closed at once, because to look through all of them takes time."""
SURPLUS = "surplus_connection"
"""Key of the state of a request whose connection is one too many."""


class Connection(H11Protocol):
    """Handles the requests of one connection.

    With `limit_concurrency` connections, a new one takes the place of one that has waited longest for a request. If all
    of them are at work, requests of the new one are marked as `SURPLUS`.
    """

    conn: "_Turns"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.conn = _Turns(h11.SERVER)
        self._most_connections, self.limit_concurrency = self.limit_concurrency, None
        self._awaited: str | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None
        self._waits_since = self.loop.time()
        self._unneeded = 0  # bytes of a body that came after the response

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.flow = self._flow = _Flow(transport)
        if self._most_connections is not None and len(self.connections) > self._most_connections:
            self._make_room(self._most_connections)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        self._await(None)
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Process what came, unless it is too much of what nobody needs."""
        if self._sends_unneeded:
            self._unneeded += len(data)
            if self._unneeded > DRAIN_BYTES:
                self.transport.close()
                return
        super().data_received(data)
        self._watch()

    def handle_events(self) -> None:
        """Process as much as one turn allows, and the rest when all others have had theirs."""
        self.conn.left = TURN
        super().handle_events()
        if self.conn.left == 0 and not self._flow.held:
            self._flow.hold()
            self.loop.call_soon(self._next_turn)

    def on_response_complete(self) -> None:
        """Wait for the next request, and for a while for the rest of a body that nobody needs.

        If the connection were closed at once, a client that is still sending would see a reset, not the response.
        """
        self._waits_since, self._unneeded = self.loop.time(), 0
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """Give the client time to read what was sent."""
        super().pause_writing()
        self._write_deadline = self.loop.call_later(SILENCE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Note that it has read."""
        super().resume_writing()
        if self._write_deadline is not None:
            self._write_deadline.cancel()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request of HTTP, or one with too large a head."""
        too_large = self.conn.refused_with == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if too_large else HTTPStatus.BAD_REQUEST
        self._refuse(status, "The head of the request is too large." if too_large else msg)

    @property
    def is_waiting(self) -> bool:
        """Whether no request is at work."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def _sends_unneeded(self) -> bool:
        return self.cycle is not None and self.is_waiting and self.conn.their_state is h11.SEND_BODY

    def _next_turn(self) -> None:
        self._flow.release()
        if not self.transport.is_closing():
            self.handle_events()
            self._watch()

    def _watch(self) -> None:
        """See to it that there is a deadline for what is waited for; idle connections have one of uvicorn."""
        if self._sends_unneeded:
            self._await("the rest of the body", DRAIN_SECONDS)
        elif self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None:
            self._await("the head of the request", HEAD_SECONDS)
        else:
            self._await(None)

    def _await(self, what: str | None, seconds: float = 0) -> None:
        """Set a deadline, unless that for the same is running."""
        if what == self._awaited:
            return
        if self._deadline is not None:
            self._deadline.cancel()
        self._awaited = what
        self._deadline = None if what is None else self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        begun, _ = self.conn.trailing_data
        if self.conn.their_state is h11.IDLE and begun:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"No more of {self._awaited} came in time.")
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer without the application, which knows of no request, and close the connection."""
        if self.transport.is_closing():
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            code = code_of(status)
            problem = Problem(
                type=f"urn:td3:problem:{code}",
                title=status.phrase,
                status=status,
                detail=detail,
                instance="",
                code=code,
            )
            body = problem.model_dump_json(exclude_none=True).encode()
            headers = {
                **HEADERS,
                "Content-Type": MEDIA_TYPE,
                "Content-Length": str(len(body)),
                "Connection": "close",
            }
            for event in (
                h11.Response(status_code=status, headers=list(headers.items()), reason=status.phrase),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _make_room(self, most: int) -> None:
        """Close those that have waited longest for a request, or mark the requests of this one."""
        waiting = (
            one
            for one in self.connections
            if isinstance(one, Connection) and one.is_waiting and one is not self
        )
        oldest = heapq.nsmallest(max(1, most // ROOM), waiting, key=lambda one: one._waits_since)
        if not oldest:
            self.app_state = {**self.app_state, SURPLUS: True}
        for one in oldest:
            self.connections.discard(one)
            one.transport.close()


class _Turns(h11.Connection):
    """Gives no more events than a turn has, and says that more data are needed instead."""

    left = TURN
    refused_with = 0
    """Status that h11 suggests for what is no request."""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        if self.left == 0:
            return h11.NEED_DATA
        self.left -= 1
        try:
            return super().next_event()
        except h11.RemoteProtocolError as error:
            self.refused_with = error.error_status_hint
            raise


class _Flow(FlowControl):
    """Reads nothing while it is held, and afterwards only if the application wants to."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self.held = False
        self._wanted = True

    def pause_reading(self) -> None:
        self._wanted = False
        super().pause_reading()

    def resume_reading(self) -> None:
        self._wanted = True
        if not self.held:
            super().resume_reading()

    def hold(self) -> None:
        self.held = True
        super().pause_reading()

    def release(self) -> None:
        self.held = False
        if self._wanted:
            super().resume_reading()
