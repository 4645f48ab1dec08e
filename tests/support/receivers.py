"""Receivers of webhooks on loopback, which answer as a test says and keep what they received."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: str

    @property
    def id(self) -> str:
        """The id of the message."""
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> dict[str, Any]:
        """The payload, verified by the library of the specification."""
        return Webhook(secret).verify(self.body, dict(self.headers))


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered; status 0: nothing, the connection is closed."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    before: Callable[[], object] = lambda: None
    """What happens before, such as a wait."""


OK = Answer()


class Receiver:
    """A server that keeps each request, and answers with what `behave` returns for it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/hook"
        self.received: list[Received] = []
        self.behave: Callable[[Received], Answer] = lambda _: OK
        self.ended = threading.Event()
        """Set at the end of the test, for answers that wait for nothing else."""

    def hang(self) -> Answer:
        """An answer that does not come."""
        return Answer(0, before=self.ended.wait)

    def take(self, request: Received) -> Answer:
        """Keep a request, and decide about it."""
        self.received.append(request)
        return self.behave(request)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = receiver.take(Received(self.path, headers, body))
            answer.before()
            if answer.status:
                try:
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(answer.body)
                except OSError:
                    pass  # the sender did not wait

        do_GET = do_POST  # noqa: N815 (the name in the base class)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name in the base class)
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.ended.set()
            server.shutdown()
            thread.join()
