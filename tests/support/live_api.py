"""A real server on loopback, in a thread of the test process, so that coverage sees it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from fastapi import FastAPI

from api.app import create_app
from api.documentation.guide import GUIDE
from api.http.server import Server
from api.settings import Settings


@contextmanager
def running_api(settings: Settings, *, guide_folder: Path = GUIDE) -> Iterator[httpx.Client]:
    """Serve the application and yield a client of it."""
    app = create_app(settings, guide_folder=guide_folder)
    with running_app(app, max_connections=settings.max_connections) as client:
        yield client


@contextmanager
def running_app(app: FastAPI, *, max_connections: int = 1000) -> Iterator[httpx.Client]:
    """Serve an application and yield a client of it."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(app, max_connections=max_connections)
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
