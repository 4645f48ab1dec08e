"""A real server on loopback, in a thread of the test process, so that coverage sees it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from api.app import create_app
from api.http.server import Server
from api.settings import Settings


@contextmanager
def running_api(settings: Settings) -> Iterator[httpx.Client]:
    """Serve the application and yield a client of it."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(create_app(settings), ws="none")
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="api")
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server ended while starting"
            time.sleep(0.005)
        port = listener.getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
